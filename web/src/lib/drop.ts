/**
 * A file that is let go where no page takes it would have the browser open it in place of the app, and what was typed
 * would be gone. Whatever takes files listens below the window and says so with preventDefault, before this hears of it.
 */
export function refuseStrayFiles(): void {
  const refuse = (event: DragEvent) => {
    const files = event.dataTransfer
    if (event.defaultPrevented || files?.types.includes('Files') !== true) return
    event.preventDefault()
    files.dropEffect = 'none'
  }
  window.addEventListener('dragover', refuse)
  window.addEventListener('drop', refuse)
}
