import { useRef } from 'react'

/**
 * Gives the focus back to where it was before a dialog. Radix does so for a dialog with a trigger of its own; one that
 * is opened by a key or a menu has none. Spread it into the dialog's content.
 */
export function useReturnFocus() {
  const before = useRef<Element>(null)
  return {
    onOpenAutoFocus: () => {
      before.current = document.activeElement
    },
    onCloseAutoFocus: (event: Event) => {
      event.preventDefault()
      if (before.current instanceof HTMLElement) before.current.focus()
    },
  }
}
