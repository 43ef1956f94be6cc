import { ratio } from '@/lib/decimal'
import { kindOf } from '@/lib/filters'
import { percent } from '@/lib/format'
import { cx } from '@/ui/cx'
import { Count, None } from '@/ui/values'
import type { Column, ColumnProfile } from './api'

/** A share as a small bar with its figure. */
function Share({ part, whole, colour }: { part: number; whole: number; colour: string }) {
  return (
    <span className="flex items-center gap-2">
      <span aria-hidden className="h-1.5 w-14 shrink-0 overflow-hidden rounded-full bg-hover">
        <span
          className={cx('block h-full rounded-full', colour)}
          style={{ width: `${whole === 0 ? 0 : (part / whole) * 100}%`, minWidth: part > 0 ? 2 : 0 }}
        />
      </span>
      <span className="num">
        <Count value={part} />
        <span className="ml-1 text-muted">{percent(ratio(part, whole), 1)}</span>
      </span>
    </span>
  )
}

/** What each column of a source holds. */
export function Profile({ columns, profile }: { columns: readonly Column[]; profile: readonly ColumnProfile[] }) {
  const types = new Map(columns.map((c) => [c.name, c.data_type]))
  return (
    <div
      className="overflow-x-auto rounded-md border border-line bg-surface"
      tabIndex={0}
      role="region"
      aria-label="Profile of columns"
    >
      <table className="w-full text-xs">
        <thead className="bg-sunken text-left">
          <tr className="[&>th]:px-2.5 [&>th]:py-1.5 [&>th]:font-medium [&>th]:whitespace-nowrap">
            <th scope="col">Column</th>
            <th scope="col">Type</th>
            <th scope="col">Empty</th>
            <th scope="col">Distinct</th>
            <th scope="col" className="text-right">
              Least
            </th>
            <th scope="col" className="text-right">
              Greatest
            </th>
            <th scope="col">Samples</th>
          </tr>
        </thead>
        <tbody>
          {profile.map((p) => {
            const type = types.get(p.column) ?? ''
            const key = p.nulls === 0 && p.distinct === p.rows && p.rows > 0
            return (
              <tr key={p.column} className="border-t border-line align-top hover:bg-hover [&>td]:px-2.5 [&>td]:py-1.5">
                <th scope="row" className="px-2.5 py-1.5 text-left font-medium whitespace-nowrap">
                  {p.column}
                  {key && <span className="block text-2xs font-normal text-ok">Unique: could be the key</span>}
                </th>
                <td className="whitespace-nowrap text-muted">{type}</td>
                <td>
                  <Share part={p.nulls} whole={p.rows} colour="bg-chart-3" />
                </td>
                <td>
                  <Share part={p.distinct} whole={p.rows} colour="bg-chart-1" />
                </td>
                <Extreme value={p.min} type={type} />
                <Extreme value={p.max} type={type} />
                <td className="max-w-72 truncate text-muted" title={(p.samples ?? []).join('\n')}>
                  {(p.samples ?? []).join(' · ') || <None />}
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

function Extreme({ value, type }: { value: string | null; type: string }) {
  return (
    <td className={cx('max-w-40 truncate text-right', kindOf(type) !== 'text' && 'num')} title={value ?? undefined}>
      {value ?? <None />}
    </td>
  )
}
