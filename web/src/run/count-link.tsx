import type { Filter } from '@/lib/filters'
import { count } from '@/lib/format'
import { Link } from '@tanstack/react-router'
import { viewOf, writeView, type Table } from './search'

/** Goes to a table of the run, filtered. */
export type GoTo = (table: Table, filters?: Filter[]) => void

/** A count that leads to its records. */
export function CountLink({ id, table, filters, n }: { id: string; table: Table; filters?: Filter[]; n: number }) {
  if (n === 0) return <>{count(n)}</>
  return (
    <Link
      to="/runs/$id"
      params={{ id }}
      search={writeView(viewOf(table, filters)) as never}
      className="underline decoration-line-strong decoration-1 underline-offset-4 hover:text-accent hover:decoration-accent"
    >
      {count(n)}
    </Link>
  )
}
