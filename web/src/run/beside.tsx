import type { Run, Schema } from '@/lib/api'
import { useCommands, type Command } from '@/lib/commands'
import { IconButton } from '@/ui/button'
import { useQuery } from '@tanstack/react-query'
import { ChevronLeft, ChevronRight } from 'lucide-react'
import { useMemo } from 'react'
import { columnsOf, openingColumns, recordOf, type Manifest } from './manifest'
import { fetchRows } from './records'
import type { RecordRef, View } from './search'
import { useFilterable } from './table'

const block = 50

export interface Neighbours {
  before: RecordRef | undefined
  after: RecordRef | undefined
}

/** The records before and after the one that a view is at, in its order and with its filters. */
export function useNeighbours(run: Run, summary: Schema<'Summary'>, manifest: Manifest, view: View): Neighbours {
  const table = view.table ?? 'matched'
  const filterable = useFilterable(manifest, summary, table)
  const { at } = view
  const opening = useMemo(() => openingColumns(manifest, columnsOf(manifest, table), table), [manifest, table])
  // A block at a time, so that a step takes no request, and a fast one goes where it should.
  const first = at === undefined ? 0 : Math.max(0, at - (at % block) - 1)
  const found = useQuery({
    queryKey: ['run', run.run_id, 'beside', table, view.search, view.filters, view.sort, first],
    queryFn: async ({ signal }) => {
      const list = { runId: run.run_id, table, view, filterable }
      const { rows } = await fetchRows(list, { from: first, limit: block + 2, columns: opening }, signal)
      return rows.map((row) => recordOf(opening, table, row.value))
    },
    enabled: view.table !== undefined && at !== undefined,
    staleTime: Infinity,
  })
  if (at === undefined || !found.data) return { before: undefined, after: undefined }
  return { before: found.data[at - 1 - first], after: found.data[at + 1 - first] }
}

/** Goes to the record before or after. */
export function Steps({ neighbours, step }: { neighbours: Neighbours; step: (by: -1 | 1, record: RecordRef) => void }) {
  const { before, after } = neighbours
  return (
    <span className="inline-flex gap-1">
      <IconButton label="Previous record" shortcut="[" disabled={!before} onClick={() => before && step(-1, before)}>
        <ChevronLeft size={16} />
      </IconButton>
      <IconButton label="Next record" shortcut="]" disabled={!after} onClick={() => after && step(1, after)}>
        <ChevronRight size={16} />
      </IconButton>
    </span>
  )
}

/** The same by keys, on a page of its own. */
export function useStepKeys(neighbours: Neighbours, step: (by: -1 | 1, record: RecordRef) => void): void {
  const { before, after } = neighbours
  const commands = useMemo<Command[]>(
    () => [
      ...(before
        ? [
            {
              id: 'record.before',
              label: 'Previous record',
              group: 'This page',
              keys: '[',
              run: () => step(-1, before),
            },
          ]
        : []),
      ...(after
        ? [{ id: 'record.after', label: 'Next record', group: 'This page', keys: ']', run: () => step(1, after) }]
        : []),
    ],
    [before, after, step],
  )
  useCommands(commands)
}
