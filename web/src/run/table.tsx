import type { Run, Schema } from '@/lib/api'
import { useCommands, type Command } from '@/lib/commands'
import { reasonText } from '@/lib/reasons'
import { DataTable } from '@/table/data-table'
import { TableSearch } from '@/table/toolbar'
import { useRows } from '@/table/use-rows'
import { Button } from '@/ui/button'
import { FilterChips } from '@/ui/filter-chips'
import { EmptyState } from '@/ui/states'
import { toast } from '@/ui/toast'
import { useCallback, useMemo, useRef } from 'react'
import { filterColumns, tableColumns } from './columns'
import { Facet } from './facet'
import { columnsOf, openingColumns, reasonColumn, recordOf, sideOf, type Manifest } from './manifest'
import { recordRows, type Listing, type RecordRow } from './records'
import { labelOf } from './words'
import { choiceOf, viewOf, withChoice, type Table, type View } from './search'

export interface RecordsTableProps {
  run: Run
  summary: Schema<'Summary'>
  manifest: Manifest
  view: View & { table: Table }
  onView: (view: View, replace?: boolean) => void
}

/** What the reader may filter a table by. */
export function useFilterable(manifest: Manifest, summary: Schema<'Summary'>, table: Table) {
  return useMemo(() => {
    const side = sideOf(table)
    return filterColumns(columnsOf(manifest, table), manifest, table, {
      reasons: side === undefined ? [] : Object.keys(summary.reasons[side] ?? {}),
      passes: (summary.passes ?? []).map((p) => p.name),
    })
  }, [manifest, summary, table])
}

/** A table of a run: filtered, sorted and searched by the server. */
export function RecordsTable({ run, summary, manifest, view, onView }: RecordsTableProps) {
  const { table } = view
  const id = run.run_id
  const columns = useMemo(() => columnsOf(manifest, table), [manifest, table])
  const shownColumns = useMemo(() => tableColumns(columns, manifest, table), [columns, manifest, table])
  const filterable = useFilterable(manifest, summary, table)
  const opening = useMemo(() => openingColumns(manifest, columns, table), [manifest, columns, table])

  // What a page is asked for with: read when a page is fetched, so that a column more does not begin the list anew.
  const wanted = useRef<readonly string[]>([])
  const list: Listing = { runId: id, table, view, filterable }
  const key = JSON.stringify([id, table, view.search, view.filters, view.sort])
  const rows = useRows<RecordRow>(key, () => recordRows(list, () => wanted.current))
  const onShown = useCallback(
    (shown: readonly string[]) => {
      const next = [...new Set([...opening, ...shown])]
      const more = next.some((name) => !wanted.current.includes(name))
      wanted.current = next
      if (more && rows.view().ready) rows.again()
    },
    [opening, rows],
  )

  const change = (part: Partial<View>) => onView({ ...view, at: undefined, record: undefined, ...part }, true)
  const search = useRef<HTMLDivElement>(null)
  const commands = useMemo<Command[]>(
    () => [
      {
        id: 'run.search',
        label: 'Search the records',
        group: 'This page',
        keys: '/',
        run: () => search.current?.querySelector('input')?.focus(),
      },
    ],
    [],
  )
  useCommands(commands)

  const side = sideOf(table)
  const narrowed = view.search !== '' || view.filters.length > 0
  return (
    <DataTable
      // Tables differ in their columns, and so do those of recipes.
      key={table}
      id={`run.${run.recipe_id}.${table}`}
      label={labelOf(table, manifest)}
      rows={rows}
      columns={shownColumns}
      rowKey={(row) => opening.map((name) => row.value(name) ?? '').join('|')}
      sort={view.sort}
      onSort={(sort) => change({ sort })}
      at={view.at}
      onShown={onShown}
      onOpen={(row, at) => {
        const record = recordOf(opening, table, row.value)
        if (record) onView({ ...view, at, record })
        else
          toast.failed(
            'Opening the record',
            new Error('Its primary key is empty, so that nothing tells it from others.'),
          )
      }}
      toolbar={
        <>
          <div ref={search} className="contents">
            <TableSearch label="Search records" value={view.search} onChange={(text) => change({ search: text })} />
          </div>
          {side !== undefined && (
            <Facet
              label="Reason"
              options={Object.entries(summary.reasons[side] ?? {})
                .sort((a, b) => b[1] - a[1])
                .map(([value, n]) => ({ value, label: reasonText(value), n }))}
              chosen={choiceOf(view.filters, reasonColumn(columns))}
              onChange={(chosen) => change({ filters: withChoice(view.filters, reasonColumn(columns), chosen) })}
            />
          )}
          {(table === 'matched' || table === 'candidates') && (
            <Facet
              label="Pass"
              options={(summary.passes ?? []).map((p) => ({ value: p.name, label: p.name, n: p.pairs }))}
              chosen={choiceOf(view.filters, 'pass')}
              onChange={(chosen) => change({ filters: withChoice(view.filters, 'pass', chosen) })}
            />
          )}
          {table === 'breaks' && (
            <Facet
              label="Field"
              options={Object.entries(summary.breaks).map(([value, n]) => ({ value, label: value, n }))}
              chosen={choiceOf(view.filters, 'field')}
              onChange={(chosen) => change({ filters: withChoice(view.filters, 'field', chosen) })}
            />
          )}
          <FilterChips filters={view.filters} columns={filterable} onChange={(filters) => change({ filters })} />
        </>
      }
      empty={
        narrowed ? (
          <EmptyState
            title="Nothing fits"
            actions={<Button onClick={() => onView(viewOf(table), true)}>Show all</Button>}
          >
            No record of this table fits the search and the filters.
          </EmptyState>
        ) : (
          <EmptyState title={noneOf(table)}>{emptyWhy[table]}</EmptyState>
        )
      }
    />
  )
}

function noneOf(table: Table): string {
  if (sideOf(table) !== undefined) return 'Every record is matched'
  return { matched: 'Nothing is matched', breaks: 'No breaks', candidates: 'No rivals' }[
    table as 'matched' | 'breaks' | 'candidates'
  ]
}

const emptyWhy: Record<Table, string> = {
  matched: 'No record of one side agrees with one of the other. The reasons of the unmatched records say why.',
  unmatched_left: 'Nothing is left to look into on this side.',
  unmatched_right: 'Nothing is left to look into on this side.',
  breaks: 'On all matched records the compared fields agree, or the recipe compares none.',
  candidates: 'No record had several candidates that fitted equally well.',
}
