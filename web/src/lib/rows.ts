// The rows of a list that may be a million long, behind a cursor API. A window
// of pages is kept; far ones are dropped and fetched again when they are needed.

/** One page as a source of rows answers it. */
export interface Page<R> {
  rows: R[]
  /** The cursor of the page after; absent on the last. */
  next?: string | undefined
  /** How many rows there are in all, where the server knows. */
  total?: number | undefined
}

/** Where a page is: its first row's position, and the cursor of the page, where one is known. */
export interface PageRequest {
  offset: number
  cursor: string | undefined
  limit: number
  signal: AbortSignal
}

/** Where rows come from. */
export interface RowSource<R> {
  fetch: (request: PageRequest) => Promise<Page<R>>
  /** Whether a page can be fetched by its offset, without a cursor: then the table may be dragged anywhere at once. */
  seekable: boolean
  pageSize?: number
  /** Counts all rows where a page does not say how many there are: the first rows are shown before it is known. */
  count?: (signal: AbortSignal) => Promise<number>
}

/** What a table shows. A new object on every change. */
export interface RowsView {
  /** Rows that can be scrolled to: the total, or all that is known and one page that is not. */
  length: number
  /** The total, once known. */
  total: number | undefined
  /** Why the last fetch failed; cleared by the next that does not. */
  error: unknown
  loading: boolean
  /** Whether any page was ever answered. */
  ready: boolean
}

const kept = 12

/** The window over a source. Make a new one for another sort, filter or search. */
export class RowWindow<R> {
  readonly pageSize: number
  readonly #source: RowSource<R>
  readonly #pages = new Map<number, R[]>()
  readonly #cursors = new Map<number, string>()
  readonly #inFlight = new Map<number, AbortController>()
  readonly #failed = new Set<number>()
  readonly #listeners = new Set<() => void>()
  #counting: AbortController | undefined
  #total: number | undefined
  #known = 0
  #more = true
  #ready = false
  #error: unknown
  #wanted: [from: number, to: number] = [0, 0]
  #view: RowsView

  constructor(source: RowSource<R>) {
    this.#source = source
    this.pageSize = source.pageSize ?? 200
    this.#view = this.#look()
  }

  /** The row at a position, if it is here. */
  at(position: number): R | undefined {
    return this.#pages.get(Math.floor(position / this.pageSize))?.[position % this.pageSize]
  }

  view = (): RowsView => this.#view

  /** Calls back on every change. Once nobody listens, what is being fetched is abandoned. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      this.#abandon(() => true)
      this.#counting?.abort()
      this.#counting = undefined
    }
  }

  /** Says which rows are looked at: fetches what is missing there and one page ahead, abandons and drops what is far. */
  want(from: number, to: number): void {
    const first = Math.floor(from / this.pageSize)
    const last = Math.floor(Math.max(from, to) / this.pageSize)
    this.#wanted = [first, last]
    this.#abandon((page) => page < first - 1 || page > last + 1)
    for (const page of this.#near()) this.#load(page)
  }

  /** Fetches the rows again, the list being the same: other columns are wanted of them. */
  again(): void {
    this.#abandon(() => true)
    this.#pages.clear()
    this.#failed.clear()
    for (const page of this.#near()) this.#load(page)
    this.#changed()
  }

  /** Fetches again what failed. */
  retry(): void {
    this.#failed.clear()
    this.#error = undefined
    for (const page of this.#near()) this.#load(page)
    this.#changed()
  }

  #near(): number[] {
    const [first, last] = this.#wanted
    const pages: number[] = []
    for (let page = first; page <= last + 1; page++) pages.push(page)
    if (first > 0) pages.push(first - 1)
    return pages
  }

  #exists(page: number): boolean {
    if (page === 0) return true
    if (this.#total !== undefined) return page * this.pageSize < this.#total
    return this.#ready && (this.#more || page * this.pageSize < this.#known)
  }

  #load(page: number): void {
    if (this.#pages.has(page) || this.#inFlight.has(page) || this.#failed.has(page) || !this.#exists(page)) return
    const cursor = this.#cursors.get(page)
    if (page > 0 && cursor === undefined && !this.#source.seekable) return
    const abort = new AbortController()
    this.#inFlight.set(page, abort)
    this.#source.fetch({ offset: page * this.pageSize, cursor, limit: this.pageSize, signal: abort.signal }).then(
      (answer) => {
        if (!abort.signal.aborted) this.#take(page, answer)
      },
      (cause: unknown) => {
        if (abort.signal.aborted) return
        this.#inFlight.delete(page)
        this.#failed.add(page)
        this.#error = cause
        this.#changed()
      },
    )
    this.#changed()
  }

  #take(page: number, answer: Page<R>): void {
    this.#inFlight.delete(page)
    this.#pages.set(page, answer.rows)
    this.#ready = true
    if (this.#failed.size === 0) this.#error = undefined
    if (answer.next !== undefined) this.#cursors.set(page + 1, answer.next)
    if (answer.total !== undefined) this.#total = answer.total
    else if (this.#total === undefined) this.#count()
    const end = page * this.pageSize + answer.rows.length
    if (end >= this.#known) {
      this.#known = end
      this.#more = answer.next !== undefined
    }
    this.#drop()
    // The next page may have waited for this one's cursor.
    for (const near of this.#near()) this.#load(near)
    this.#changed()
  }

  #count(): void {
    if (!this.#source.count || this.#counting) return
    const abort = new AbortController()
    this.#counting = abort
    this.#source.count(abort.signal).then(
      (total) => {
        if (abort.signal.aborted) return
        this.#total = total
        this.#changed()
      },
      () => {
        // The next page tries again; until then the table goes on without a total.
        if (this.#counting === abort) this.#counting = undefined
      },
    )
  }

  #drop(): void {
    const [first, last] = this.#wanted
    const distance = (page: number) => (page < first ? first - page : Math.max(0, page - last))
    const far = [...this.#pages.keys()].sort((a, b) => distance(b) - distance(a))
    while (this.#pages.size > kept && far.length > 0) {
      const page = far.shift()
      if (page !== undefined && distance(page) > 1) this.#pages.delete(page)
    }
  }

  #abandon(far: (page: number) => boolean): void {
    for (const [page, abort] of this.#inFlight) {
      if (!far(page)) continue
      abort.abort()
      this.#inFlight.delete(page)
    }
  }

  #look(): RowsView {
    const open = this.#more ? this.pageSize : 0
    return {
      length: this.#total ?? (this.#ready ? this.#known + open : 0),
      total: this.#total ?? (this.#ready && !this.#more ? this.#known : undefined),
      error: this.#error,
      loading: this.#inFlight.size > 0,
      ready: this.#ready,
    }
  }

  #changed(): void {
    this.#view = this.#look()
    for (const listener of this.#listeners) listener()
  }
}

/** A source over rows that are already here. */
export function rowsOf<R>(rows: readonly R[]): RowSource<R> {
  return {
    seekable: true,
    pageSize: 500,
    fetch: ({ offset, limit }) => Promise.resolve({ rows: rows.slice(offset, offset + limit), total: rows.length }),
  }
}
