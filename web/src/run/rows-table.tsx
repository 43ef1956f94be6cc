import type { Schema } from '@/lib/api'
import { cx } from '@/ui/cx'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { headerOf, Value } from './columns'
import type { Manifest } from './manifest'
import type { RecordRef, Table } from './search'

/** Goes to the page of a record. */
export function RecordLink({ id, record, children }: { id: string; record: RecordRef; children: ReactNode }) {
  return (
    <Link
      to="/runs/$id/records/$side/$key"
      params={{ id, side: record.side, key: record.key }}
      className="text-accent underline underline-offset-2"
    >
      {children}
    </Link>
  )
}

/** A few rows, all of them shown. */
export function RowsTable({
  id,
  manifest,
  rows,
  label,
  table,
  recordOf,
  marked,
}: {
  id: string
  manifest: Manifest
  rows: Schema<'RecordsRows'>
  label: string
  /** The table whose names the columns have. */
  table: Table
  /** The record that a row is. */
  recordOf?: (value: (column: string) => string | null) => RecordRef | undefined
  /** Whether a row is the one that is looked at. */
  marked?: (record: RecordRef | undefined) => boolean
}) {
  const columns = rows.columns ?? []
  const at = new Map(columns.map((c, i) => [c.name, i]))
  return (
    <div className="max-h-96 overflow-auto rounded-md border border-line" role="region" aria-label={label} tabIndex={0}>
      <table className="w-full text-sm whitespace-nowrap">
        <thead className="sticky top-0 bg-sunken">
          <tr>
            {columns.map((c) => (
              <th
                key={c.name}
                scope="col"
                className={cx(
                  'border-b border-line px-2.5 py-1 text-xs font-medium text-muted',
                  isNumber(c.type.kind) ? 'text-right' : 'text-left',
                )}
              >
                {headerOf(c, manifest, table)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {(rows.rows ?? []).map((cells, i) => {
            const record = recordOf?.((name) => cells?.[at.get(name) ?? -1] ?? null)
            return (
              <tr key={i} className={cx(marked?.(record) && 'bg-accent-soft')}>
                {columns.map((c, j) => (
                  <td
                    key={c.name}
                    className={cx('border-b border-line px-2.5 py-1', isNumber(c.type.kind) && 'text-right')}
                  >
                    {j === 0 && record && !marked?.(record) ? (
                      <RecordLink id={id} record={record}>
                        <Value value={cells?.[j]} column={c} />
                      </RecordLink>
                    ) : (
                      <Value value={cells?.[j]} column={c} />
                    )}
                  </td>
                ))}
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

const isNumber = (kind: string) => ['decimal', 'integer', 'float'].includes(kind)
