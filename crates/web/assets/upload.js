// Sends a contacts file as it is, with progress, which fetch cannot report. The create
// form first makes its draft, then sends the file to it.
;(() => {
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)}\u00a0MB`

  document.addEventListener('submit', async (event) => {
    const form = event.target.closest('form[data-upload], form[data-create]')
    const file = form?.querySelector('input[type=file]')?.files[0]
    if (!form) return
    if (!file) {
      if (!('upload' in form.dataset)) return
      event.preventDefault()
      return say(form, 'Choose a CSV file first.')
    }
    event.preventDefault()
    const buttons = form.querySelectorAll('button')
    const hold = (held) => buttons.forEach((button) => (button.disabled = held))
    hold(true)
    say(form, '')
    try {
      const address = 'create' in form.dataset ? await create(form) : form.action
      if (address) location.assign(await send(form, file, address))
      else hold(false)
    } catch (error) {
      hold(false)
      progress(form, null)
      say(form, error.message)
    }
  })

  // The address for the contacts of the new draft, or nothing when the form came back
  // with faults, which are then on the page.
  async function create(form) {
    if (form.dataset.made) return form.dataset.made
    const body = new URLSearchParams(new FormData(form))
    const answer = await fetch(form.action, { method: 'POST', body })
    if (answer.status === 422) {
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
      const fresh = page.getElementById(form.id)
      // The chosen file lives in its input: that element stays.
      fresh.querySelector('input[type=file]').replaceWith(form.querySelector('input[type=file]'))
      form.replaceChildren(...fresh.childNodes)
      ;(form.querySelector('[aria-invalid]') ?? form).scrollIntoView({ block: 'center' })
      form.querySelector('[aria-invalid]')?.focus()
      return
    }
    if (!answer.ok) throw new Error('The campaign could not be created. Try again.')
    // Should the file be refused, the next try goes to the same draft.
    form.dataset.made = `${new URL(answer.url).pathname}/contacts`
    return form.dataset.made
  }

  function send(form, file, address) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest()
      request.open('POST', address)
      request.setRequestHeader('Content-Type', 'text/csv')
      request.responseType = 'json'
      request.upload.onprogress = ({ loaded, total }) => progress(form, loaded, total)
      request.upload.onload = () => progress(form, file.size, file.size, 'Reading rows')
      request.onload = () => {
        if (request.status === 200 && request.response?.next) return resolve(request.response.next)
        const words = request.response?.message ?? request.response?.detail
        const made = form.dataset.made ? ' The draft is kept; choose another file and try again.' : ''
        reject(new Error((words ?? `The file was refused (${request.status}).`) + made))
      }
      request.onerror = () => reject(new Error('The connection broke. Nothing of the file was kept; try again.'))
      request.send(file)
    })
  }

  function progress(form, loaded, total, words = 'Uploading') {
    const box = form.querySelector('[data-upload-progress]')
    box.hidden = loaded === null
    if (box.hidden) return
    box.querySelector('[data-upload-words]').textContent = words
    box.querySelector('[data-upload-figures]').textContent = `${megabytes(loaded)} of ${megabytes(total)}`
    box.querySelector('progress').value = total ? (100 * loaded) / total : 0
  }

  function say(form, words) {
    const box = form.querySelector('[data-upload-error]')
    box.textContent = words
    box.hidden = !words
  }
})()
