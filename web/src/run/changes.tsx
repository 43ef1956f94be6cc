import { api } from '@/lib/api'
import { data } from '@/lib/http'
import { reasonText } from '@/lib/reasons'
import type { RowSource } from '@/lib/rows'
import type { Column } from '@/table/columns'
import { DataTable } from '@/table/data-table'
import { TableSearch } from '@/table/toolbar'
import { useRows } from '@/table/use-rows'
import { EmptyState } from '@/ui/states'
import { useNavigate } from '@tanstack/react-router'
import { changes, type Change } from './change'
import { rowsOf, type RecordRow } from './records'
import type { Side } from './search'

function stateOf(row: RecordRow, when: 'before' | 'after'): string {
  const reason = row.value(`${when}_reason`)
  if (reason) return `Unmatched: ${reasonText(reason).toLowerCase()}`
  const partner = row.value(`${when}_partner`)
  if (!partner) return 'Not in the source'
  const more = Number(row.value(`${when}_partners`) ?? 1) - 1
  return `Matched to ${partner}${more > 0 ? ` and ${more} more` : ''}`
}

const columns: Column<RecordRow>[] = [
  { id: 'key', header: 'Record', text: (row) => row.value('key') ?? '', width: 180 },
  { id: 'before', header: 'Before', text: (row) => stateOf(row, 'before'), width: 300 },
  { id: 'before_pass', header: 'Pass before', text: (row) => row.value('before_pass') ?? '', width: 200 },
  { id: 'after', header: 'After', text: (row) => stateOf(row, 'after'), width: 300 },
  { id: 'after_pass', header: 'Pass after', text: (row) => row.value('after_pass') ?? '', width: 200 },
]

/** The records of a side that changed in one way. */
export function ChangesTable(props: {
  id: string
  other: string
  side: Side
  change: Change
  search: string
  onSearch: (text: string) => void
}) {
  const { id, other, side, change, search } = props
  const navigate = useNavigate()
  const rows = useRows<RecordRow>(JSON.stringify([id, other, side, change, search]), (): RowSource<RecordRow> => ({
    seekable: true,
    fetch: async ({ offset, limit, signal }) => {
      const page = await data(
        api.GET('/api/runs/{run_id}/compare/{other_id}/records', {
          params: {
            path: { run_id: id, other_id: other },
            query: { side, change: [change], from: offset, limit, ...(search && { q: search }) },
          },
          signal,
        }),
      )
      return { rows: rowsOf(page), total: page.total ?? undefined, next: page.next }
    },
  }))
  return (
    <DataTable
      id="run.changes"
      label={changes.find((c) => c.id === change)?.label ?? change}
      rows={rows}
      columns={columns}
      rowKey={(row) => row.value('key') ?? ''}
      onOpen={(row) =>
        // What is gone has its page in the run before.
        void navigate({
          to: '/runs/$id/records/$side/$key',
          params: { id: change === 'gone' ? id : other, side, key: row.value('key') ?? '' },
        })
      }
      toolbar={<TableSearch label="Search keys" value={search} onChange={props.onSearch} />}
      empty={<EmptyState title="Nothing fits">No record that changed in this way fits the search.</EmptyState>}
    />
  )
}
