// Keys for what a pointer does: an element says in data-key which one it answers to.
// Off while somebody types, while a dialog is open, and for who turned them off.
;(() => {
  const help = document.getElementById('keys')
  if (!help) return
  const use = (key) => {
    const found = document.querySelector(`[data-key="${key}"]`)
    if (!found) return
    if (found.showModal) found.showModal()
    else if (found.matches('input')) found.select()
    else found.click()
  }
  const row = () => document.activeElement.closest('main tr[id]')
  const step = (by) => {
    const rows = [...document.querySelectorAll('main tr[id]')]
    const next = rows[Math.min(rows.length - 1, Math.max(0, row() ? rows.indexOf(row()) + by : 0))]
    if (!next) return
    next.tabIndex = -1
    next.focus()
  }
  const keys = {
    '?': () => help.showModal(),
    '/': () => use('/'),
    'g c': () => location.assign('/dashboard/campaigns'),
    'g s': () => location.assign('/dashboard/setup'),
    j: () => step(1),
    k: () => step(-1),
    o: () => [...(row()?.querySelectorAll('.camp a, .chip') ?? [])].findLast((each) => each.href)?.click(),
    p: () => use('p'),
    e: () => use('e'),
    a: () => use('a'),
    Escape: () => document.activeElement.blur(),
  }

  const off = help.querySelector('[name=keys-off]')
  off.checked = localStorage.getItem('keys') === 'off'
  off.addEventListener('change', () => localStorage.setItem('keys', off.checked ? 'off' : 'on'))

  let before = ''
  let since = 0
  document.addEventListener('keydown', (event) => {
    const { key, target } = event
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return
    if (document.querySelector('dialog[open], :popover-open')) return
    if (key !== 'Escape' && (off.checked || target.closest('input, select, textarea'))) return
    const act = (event.timeStamp - since < 1000 && keys[`${before} ${key}`]) || keys[key]
    before = key
    since = event.timeStamp
    if (!act) return
    // Escape clears a search by itself.
    if (key !== 'Escape') event.preventDefault()
    act()
  })
})()
