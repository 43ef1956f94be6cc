import { useCallback, useLayoutEffect, useRef, useState, type RefObject } from 'react'

// Browsers lay out at most some 17 to 33 million pixels, and draw exactly within
// about 8 million. A taller list is scrolled by a bar that stands for more than
// its pixels, while small movements stay what they are.
const tallest = 4_000_000
const jump = 2000

/** Where a list taller than a browser's limit stands: `top` is the true position in pixels, `shift` what to subtract from a row's. */
export class ScrollScale {
  top = 0
  #last = 0
  readonly #list: number
  readonly #view: number

  /** list is the height of all rows, view that of the viewport. */
  constructor(list: number, view: number, top = 0) {
    this.#list = list
    this.#view = view
    this.go(top)
  }

  /** The height to lay out. */
  get height(): number {
    return Math.min(this.#list, tallest)
  }

  get shift(): number {
    return this.top - this.#last
  }

  get #maxTop(): number {
    return Math.max(0, this.#list - this.#view)
  }

  get #maxBar(): number {
    return Math.max(0, this.height - this.#view)
  }

  /** The bar was moved by the reader. */
  scrolled(bar: number): void {
    const moved = bar - this.#last
    const top = Math.abs(moved) < jump || this.#maxBar === 0 ? this.top + moved : (bar / this.#maxBar) * this.#maxTop
    this.top = this.#clamp(top)
    this.#last = bar
  }

  /** Goes to a true position; returns where the bar then stands. */
  go(top: number): number {
    this.top = this.#clamp(top)
    this.#last = this.#list <= tallest ? this.top : Math.round((this.top / this.#maxTop) * this.#maxBar)
    return this.#last
  }

  /** Whether small movements have taken the bar to an end, or far from where it should be: then go(top) puts it right. */
  strayed(ended: boolean): boolean {
    if (this.#list <= tallest) return false
    const right = (this.top / this.#maxTop) * this.#maxBar
    const stuck = (this.#last <= 0 && this.top > 0) || (this.#last >= this.#maxBar && this.top < this.#maxTop)
    return stuck || (ended && Math.abs(right - this.#last) > 1)
  }

  #clamp(top: number): number {
    return Math.min(Math.max(0, top), this.#maxTop)
  }
}

export interface Scroller<E extends HTMLElement> {
  /** Goes to the element that scrolls. */
  element: RefObject<E | null>
  /** The rows to draw: those in sight and some more. */
  first: number
  last: number
  /** The first row in sight. */
  top: number
  /** Rows that fit. */
  fit: number
  height: number
  /** Where a row is laid out. */
  y: (row: number) => number
  /** Scrolls as little as brings the row into sight, or to the top of it. */
  show: (row: number, align?: 'near' | 'start') => void
}

const spare = 6

/** Draws only what is seen of rows of one height. head is the height of what sticks at the top of the scrolled element. */
export function useScroller<E extends HTMLElement>(length: number, rowHeight: number, head: number): Scroller<E> {
  const element = useRef<E>(null)
  const [view, setView] = useState(0)
  const [place, setPlace] = useState({ first: 0, shift: 0 })
  const scale = useRef<ScrollScale>(null)
  const fit = Math.max(1, Math.floor(view / rowHeight))

  const settle = useCallback(() => {
    if (!scale.current) return
    const first = Math.max(0, Math.floor(scale.current.top / rowHeight))
    const { shift } = scale.current
    setPlace((was) => (was.first === first && was.shift === shift ? was : { first, shift }))
  }, [rowHeight])

  const go = useCallback(
    (top: number) => {
      if (!scale.current || !element.current) return
      element.current.scrollTo({ top: scale.current.go(top), behavior: 'instant' })
      settle()
    },
    [settle],
  )

  useLayoutEffect(() => {
    const node = element.current
    if (!node) return
    const measure = () => setView(Math.max(0, node.clientHeight - head))
    const observer = new ResizeObserver(measure)
    observer.observe(node)
    measure()
    return () => observer.disconnect()
  }, [head])

  useLayoutEffect(() => {
    const before = scale.current?.top ?? 0
    scale.current = new ScrollScale(length * rowHeight, view, before)
    go(scale.current.top)
  }, [length, rowHeight, view, go])

  useLayoutEffect(() => {
    const node = element.current
    if (!node) return
    let timer: ReturnType<typeof setTimeout>
    const right = (ended: boolean) => {
      if (scale.current?.strayed(ended)) go(scale.current.top)
    }
    const scrolled = () => {
      scale.current?.scrolled(node.scrollTop)
      right(false)
      settle()
      clearTimeout(timer)
      timer = setTimeout(() => right(true), 150)
    }
    node.addEventListener('scroll', scrolled, { passive: true })
    return () => {
      clearTimeout(timer)
      node.removeEventListener('scroll', scrolled)
    }
  }, [go, settle])

  const show = useCallback(
    (row: number, align: 'near' | 'start' = 'near') => {
      if (!scale.current) return
      const y = row * rowHeight
      const { top } = scale.current
      if (align === 'start' || y < top) go(y)
      else if (y + rowHeight > top + view) go(y + rowHeight - view)
    },
    [rowHeight, view, go],
  )

  const first = Math.max(0, place.first - spare)
  const last = Math.min(length - 1, place.first + fit + spare)
  return {
    element,
    first,
    last,
    top: place.first,
    fit,
    height: Math.min(length * rowHeight, tallest),
    y: (row) => row * rowHeight - place.shift,
    show,
  }
}
