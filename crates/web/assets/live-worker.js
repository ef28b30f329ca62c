// One EventSource for the whole browser, however many tabs watch however much: six
// connections is all that a browser gives one server over HTTP/1.1.
const ports = new Map() // port → topics that its tab watches
const last = new Map() // topic → newest frame
let source
let watched = ''
let state = 'connecting'

onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data.watch) {
      ports.set(port, data.watch)
      // A tab that crashed says no goodbye, but its lock is released.
      if (data.lock) navigator.locks?.request(data.lock, () => leave(port))
      for (const topic of data.watch) if (last.has(topic)) port.postMessage({ topic, html: last.get(topic) })
      port.postMessage({ state })
      reopen()
    }
    if (data.leave) leave(port)
  }
}

function leave(port) {
  if (ports.delete(port)) reopen()
}

function tell(message) {
  for (const [port, topics] of ports) if (!message.topic || topics.includes(message.topic)) port.postMessage(message)
}

function become(next) {
  state = next
  tell({ state })
}

// The stream is reopened with the union of what is watched; each topic begins with a
// whole frame, so nothing is missed.
function reopen() {
  const topics = [...new Set([...ports.values()].flat())].sort()
  if (topics.join() === watched) return
  watched = topics.join()
  source?.close()
  for (const topic of last.keys()) if (!topics.includes(topic)) last.delete(topic)
  if (!topics.length) return
  source = new EventSource(`/live?topics=${encodeURIComponent(watched)}`)
  source.onopen = () => become('live')
  source.onerror = () => {
    become('reconnecting')
    // The browser does not try again after a refusal, such as a role that changed.
    if (source.readyState === EventSource.CLOSED) {
      watched = ''
      setTimeout(reopen, 3000)
    }
  }
  for (const topic of topics) {
    source.addEventListener(topic, ({ data }) => {
      last.set(topic, data)
      tell({ topic, html: data })
    })
  }
}
