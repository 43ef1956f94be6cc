import { cleanup } from '@testing-library/react'
import { afterEach } from 'vitest'

// What jsdom lacks. It lays nothing out, so nothing is ever resized or scrolled.
class NeverResized implements ResizeObserver {
  observe() {}
  unobserve() {}
  disconnect() {}
}
globalThis.ResizeObserver = NeverResized
Object.assign(Element.prototype, {
  scrollIntoView: () => undefined,
  scrollTo: () => undefined,
  setPointerCapture: () => undefined,
})

afterEach(cleanup)
