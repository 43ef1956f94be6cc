import type { Schema } from '@/lib/api'
import { money } from '@/lib/format'
import type { Filter } from '@/lib/filters'
import { None } from '@/ui/values'
import { CountLink } from './count-link'
import { currencyColumn, unmatchedOf, type Manifest } from './manifest'
import type { Side } from './search'

type Figures = Schema<'RecordsCurrencyFigures'>

const sides: readonly Side[] = ['left', 'right']

/** What each side holds in each currency. */
export function Currencies({
  id,
  manifest,
  figures,
}: {
  id: string
  manifest: Manifest
  figures: Record<Side, readonly Figures[]>
}) {
  const codes = [...new Set([...figures.left, ...figures.right].map((f) => f.currency))]
  return (
    <section aria-label="By currency">
      <h3 className="text-sm font-semibold">By currency</h3>
      <p className="mb-2 text-xs text-muted">Amounts of each side, matched and unmatched.</p>
      <div className="overflow-x-auto" role="region" aria-label="Amounts by currency" tabIndex={0}>
        <table className="w-full text-sm whitespace-nowrap">
          <thead>
            <tr className="text-xs text-muted">
              <th scope="col" className="border-b border-line py-1 pr-4 text-left font-medium">
                Currency
              </th>
              {sides.flatMap((side) =>
                ['matched', 'unmatched', 'records'].map((what) => (
                  <th key={side + what} scope="col" className="border-b border-line py-1 pl-4 text-right font-medium">
                    {what === 'records' ? `unmatched records` : `${manifest[side].alias} ${what}`}
                  </th>
                )),
              )}
            </tr>
          </thead>
          <tbody>
            {codes.map((code) => (
              <tr key={code ?? ''}>
                <th scope="row" className="border-b border-line py-1 pr-4 text-left font-medium">
                  {code ?? <None />}
                </th>
                {sides.flatMap((side) => {
                  const f = figures[side].find((x) => x.currency === code)
                  const cell = 'num border-b border-line py-1 pl-4 text-right'
                  return [
                    <td key={`${side}m`} className={cell}>
                      {f ? money(f.matched_sum, code ?? '') : <None />}
                    </td>,
                    <td key={`${side}u`} className={cell}>
                      {f ? money(f.unmatched_sum, code ?? '') : <None />}
                    </td>,
                    <td key={`${side}n`} className={cell}>
                      <CountLink
                        id={id}
                        table={unmatchedOf(side)}
                        filters={filterOf(manifest, side, code)}
                        n={f?.unmatched ?? 0}
                      />
                    </td>,
                  ]
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

function filterOf(manifest: Manifest, side: Side, code: string | null): Filter[] {
  const column = currencyColumn(manifest, side)
  if (column === undefined) return []
  return [code === null ? { column, op: 'is_null', values: [] } : { column, op: 'eq', values: [code] }]
}
