// The attempt report: Preparing…, then rows and size as they come, then a toast.
// Without this script the link is a plain download.
;(() => {
  const { toast } = window.campanile
  const group = new Intl.NumberFormat('en')
  const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`)
  // A larger one is not held in memory: the browser streams it to disk by itself.
  const MOST = 1_000_000

  document.addEventListener('click', async (event) => {
    const link = event.target.closest('[data-report]')
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    if (link.getAttribute('aria-disabled') === 'true') return
    const words = link.querySelector('span')
    const before = words.textContent
    // The live stream redraws the bar each second; this button is left alone.
    link.setAttribute('hx-morph-skip', '')
    link.setAttribute('aria-disabled', 'true')
    words.textContent = 'Preparing…'
    try {
      const answer = await fetch(link.href)
      if (!answer.ok || answer.redirected) throw new Error()
      if (Number(answer.headers.get('Campanile-Rows')) > MOST) {
        answer.body.cancel()
        return location.assign(link.href)
      }
      const { blob, rows } = await read(answer, (rows, bytes) => {
        words.textContent = `Downloading ${group.format(rows)} rows · ${size(bytes)}`
      })
      save(blob, answer.headers.get('Content-Disposition')?.match(/filename="([^"]+)"/)?.[1] ?? 'attempts.csv')
      toast(`${group.format(rows)} ${rows === 1 ? 'row' : 'rows'} downloaded`)
    } catch {
      toast('The report could not be downloaded. Try again.')
    } finally {
      words.textContent = before
      link.removeAttribute('hx-morph-skip')
      link.removeAttribute('aria-disabled')
    }
  })

  // Rows are line ends outside quotes, less the header.
  async function read(answer, tell) {
    const reader = answer.body.getReader()
    const chunks = []
    let bytes = 0
    let lines = 0
    let quoted = false
    let told = 0
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      chunks.push(value)
      bytes += value.length
      for (const byte of value) {
        if (byte === 34) quoted = !quoted
        else if (byte === 10 && !quoted) lines++
      }
      if (Date.now() - told > 100) {
        told = Date.now()
        tell(Math.max(0, lines - 1), bytes)
      }
    }
    tell(Math.max(0, lines - 1), bytes)
    return { blob: new Blob(chunks, { type: 'text/csv' }), rows: Math.max(0, lines - 1) }
  }

  function save(blob, name) {
    const link = document.createElement('a')
    link.href = URL.createObjectURL(blob)
    link.download = name
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
  }
})()
