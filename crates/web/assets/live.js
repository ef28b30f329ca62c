// Live pages: frames of the stream are morphed into the parts that they name.
;(() => {
  const main = document.querySelector('[data-live]')
  if (!main) return
  const topics = main.dataset.live.split(',')
  const { tick } = window.campanile
  const STALE = 20000
  let port
  let heard = Date.now()
  let state = 'connecting'
  let rowsAsked = 0

  function receive({ topic, html, state: next }) {
    if (next) show(next)
    if (!html || !topics.includes(topic)) return
    heard = Date.now()
    if (state === 'live') show('live')
    if (document.hidden) return (waiting = html)
    apply(html)
  }

  let waiting
  document.addEventListener('visibilitychange', () => {
    if (document.hidden || !waiting) return
    apply(waiting)
    waiting = undefined
  })

  function apply(html) {
    const frame = document.createElement('template')
    frame.innerHTML = html
    tick(frame.content)
    for (const part of frame.content.querySelectorAll('[data-part]')) {
      const target = document.getElementById(part.id)
      if (!target) continue
      // An open question is left alone; what it says has parts of its own.
      if ('quiet' in part.dataset && target.querySelector('dialog[open]')) continue
      morph(target, part)
    }
    const strip = document.getElementById('c-strip')
    if (strip?.firstElementChild) strip.parentElement.hidden = false
    rows()
  }

  function morph(target, part) {
    if (target.innerHTML === part.innerHTML) return
    htmx.swap({ text: part.innerHTML, target, sourceElement: target, swap: 'innerMorph' })
  }

  // The rows on the screen are asked for again while they may still change, at most
  // every two seconds; their order stays.
  async function rows() {
    const table = document.querySelector('[data-rows]')
    if (!table || Date.now() - rowsAsked < 2000) return
    const ids = [...table.querySelectorAll('tr[id]:not([data-settled])')].map((row) => row.id)
    if (!ids.length) return
    rowsAsked = Date.now()
    const answer = await fetch(`${table.dataset.rows}?ids=${ids.join()}`)
    if (!answer.ok || answer.redirected) return
    const fresh = document.createElement('template')
    fresh.innerHTML = await answer.text()
    tick(fresh.content)
    for (const row of fresh.content.querySelectorAll('tr[id]')) {
      const target = document.getElementById(row.id)
      if (!target) continue
      morph(target, row)
      target.toggleAttribute('data-settled', row.hasAttribute('data-settled'))
    }
  }

  const conn = document.getElementById('conn')
  const looks = {
    live: ['green', 'dot', 'Live'],
    connecting: ['grey', 'dot ring', 'Connecting'],
    reconnecting: ['amber', 'dot ring', 'Reconnecting'],
    stale: ['red', 'dot ring', 'Stale since '],
  }
  function show(next) {
    state = next
    if (!conn) return
    const [tone, dot, words] = looks[next]
    const since = next === 'stale' ? new Date(heard).toLocaleTimeString(undefined, { hour12: false }) : ''
    conn.className = `conn ${tone}`
    conn.firstElementChild.className = dot
    conn.lastElementChild.textContent = words + since
  }
  setInterval(() => {
    if (state === 'reconnecting' && Date.now() - heard > STALE) show('stale')
  }, 1000)

  // A lock of this tab, so that the worker notices when it is gone.
  const lock = `campanile-${crypto.randomUUID?.() ?? Math.random()}`
  function watch() {
    if (window.SharedWorker) {
      const worker = new SharedWorker(document.querySelector('meta[name=live-worker]').content)
      port = worker.port
      port.onmessage = ({ data }) => receive(data)
      if (navigator.locks) navigator.locks.request(lock, () => (port.postMessage({ watch: topics, lock }), new Promise(() => {})))
      else port.postMessage({ watch: topics })
      return
    }
    const source = new EventSource(`/live?topics=${encodeURIComponent(topics.join())}`)
    source.onopen = () => show('live')
    source.onerror = () => show('reconnecting')
    for (const topic of topics) source.addEventListener(topic, ({ data }) => receive({ topic, html: data }))
  }
  watch()
  addEventListener('pagehide', () => port?.postMessage({ leave: true }))
  // Back from the browser's page cache: the worker has forgotten this tab.
  addEventListener('pageshow', ({ persisted }) => persisted && port?.postMessage({ watch: topics }))
})()
