// Theme without a reload, copy buttons, times that tick. Dialogs, popovers, folds and
// forms are plain HTML and need none of this.
const root = document.documentElement
root.classList.add('has-js')

document.addEventListener('submit', (event) => {
  const form = event.target.closest('[data-theme-form]')
  if (!form) return
  event.preventDefault()
  const theme = event.submitter.value
  if (theme === 'system') delete root.dataset.theme
  else root.dataset.theme = theme
  document.cookie = `theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${location.protocol === 'https:' ? '; Secure' : ''}`
  for (const button of form.querySelectorAll('button')) button.setAttribute('aria-pressed', button === event.submitter)
  form.hidePopover()
})

document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copy]')
  if (!button) return
  const label = button.getAttribute('aria-label')
  const text = button.dataset.copy || document.getElementById(button.dataset.from).innerText
  await navigator.clipboard.writeText(text)
  toast('Copied')
  if (label) {
    button.setAttribute('aria-label', 'Copied')
    setTimeout(() => button.setAttribute('aria-label', label), 1500)
  }
})

// A message in the corner; it goes by itself, or by its ×.
function toast(words) {
  const box = document.createElement('div')
  box.className = 'toast'
  const text = document.createElement('span')
  text.textContent = words
  const close = document.createElement('button')
  close.className = 'btn quiet icon sm'
  close.type = 'button'
  close.setAttribute('aria-label', 'Dismiss')
  close.textContent = '×'
  close.addEventListener('click', () => box.remove())
  box.append(text, close)
  document.getElementById('toasts')?.append(box)
  setTimeout(() => box.remove(), 6000)
}

// The same words as console/text.rs.
function span(seconds) {
  const nbsp = '\u00a0'
  const part = (figure, unit) => `${figure}${nbsp}${unit}`
  if (seconds < 60) return part(seconds, 's')
  if (seconds < 3600) return part(Math.floor(seconds / 60), 'm') + nbsp + part(seconds % 60, 's')
  if (seconds < 86400) return part(Math.floor(seconds / 3600), 'h') + nbsp + part(Math.floor((seconds % 3600) / 60), 'm')
  return part(Math.floor(seconds / 86400), 'd') + nbsp + part(Math.floor((seconds % 86400) / 3600), 'h')
}

function ago(seconds) {
  if (seconds < 60) return `${seconds}s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ago`
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')}m ago`
  return `${Math.floor(seconds / 86400)}d ago`
}

const write = (element, words) => {
  if (element.textContent !== words) element.textContent = words
}

const local = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hour12: false })

// Brings every time below `part` up to now; also called on a live fragment before it
// is shown, so that a figure never jumps back.
function tick(part = document) {
  const now = Date.now()
  const age = (element) => Math.max(0, Math.floor((now - Date.parse(element.dateTime)) / 1000))
  for (const element of part.querySelectorAll('[data-since]')) {
    const seconds = age(element)
    write(element, ago(seconds))
    const late = seconds > Number(element.dataset.late)
    element.classList.toggle('late', late)
    element.classList.toggle('orange', late)
  }
  for (const element of part.querySelectorAll('[data-until]')) {
    const left = Math.round((Date.parse(element.dateTime) - now) / 1000)
    write(element, left > 0 ? span(left) : 'a moment')
  }
  for (const element of part.querySelectorAll('[data-clock]')) {
    const seconds = age(element)
    write(element, `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`)
  }
  for (const element of part.querySelectorAll('[data-local]')) {
    write(element, local.format(new Date(element.dateTime)))
    element.title = element.dateTime.replace('T', ' ').replace('Z', ' UTC')
  }
}

tick()
setInterval(tick, 1000)
window.campanile = { toast, tick }
