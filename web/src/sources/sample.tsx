import { kindOf } from '@/lib/filters'
import { plural } from '@/lib/format'
import { cx } from '@/ui/cx'
import { None } from '@/ui/values'
import type { Column } from './api'

export interface SampleProps {
  label: string
  columns: readonly Column[]
  rows: readonly (readonly (string | null)[] | null)[]
  /** In pixels; the sample scrolls in it. */
  height?: number
  /** Columns to mark, such as those that a rule uses. */
  marked?: ReadonlySet<string>
}

/** Rows of a source as they are, with the types of their columns. */
export function Sample({ label, columns, rows, height = 320, marked }: SampleProps) {
  return (
    <div
      className="overflow-auto rounded-md border border-line bg-surface"
      style={{ maxHeight: height }}
      tabIndex={0}
      role="region"
      aria-label={label}
    >
      <table className="w-full border-separate border-spacing-0 text-xs">
        <thead className="sticky top-0 z-10">
          <tr>
            {columns.map((c) => (
              <th
                key={c.name}
                scope="col"
                className={cx(
                  'border-b border-line px-2.5 py-1.5 font-medium whitespace-nowrap',
                  marked?.has(c.name) ? 'bg-accent-soft' : 'bg-sunken',
                  kindOf(c.data_type) === 'number' ? 'text-right' : 'text-left',
                )}
              >
                {c.name}
                <span className="block text-2xs font-normal text-muted">{c.data_type}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i} className="hover:bg-hover">
              {columns.map((c, j) => {
                const value = row?.[j] ?? null
                return (
                  <td
                    key={c.name}
                    title={value ?? undefined}
                    className={cx(
                      'max-w-64 truncate border-b border-line px-2.5 py-1',
                      kindOf(c.data_type) !== 'text' && 'num',
                      kindOf(c.data_type) === 'number' && 'text-right',
                    )}
                  >
                    {value === null ? <None /> : value}
                  </td>
                )
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length === 0 && <p className="px-2.5 py-4 text-center text-sm text-muted">No rows.</p>}
    </div>
  )
}

/** "20 of 10,000 rows", where both are known. */
export function rowsText(shown: number, total: number | null | undefined): string {
  return total === null || total === undefined || total === shown
    ? plural(shown, 'row')
    : `${shown} of ${plural(total, 'row')}`
}
