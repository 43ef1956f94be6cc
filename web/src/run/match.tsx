import type { Schema } from '@/lib/api'
import { compare, isDecimal, subtract, sum, type Decimal } from '@/lib/decimal'
import { amount, percent, plural } from '@/lib/format'
import { cx } from '@/ui/cx'
import { Badge, Note } from '@/ui/status'
import { keyColumns, keyText, unmatchedOf, type Manifest } from './manifest'
import { RowsTable } from './rows-table'
import type { RecordRef, Side } from './search'
import { kindText } from './words'

type Match = Schema<'RecordsMatch'>
type Rows = Schema<'RecordsRows'>

const sides: readonly Side[] = ['left', 'right']

/** A match with all its records and what they add up to. */
export function MatchGroup({
  id,
  manifest,
  match,
  record,
}: {
  id: string
  manifest: Manifest
  match: Match
  record: RecordRef
}) {
  const breaks = match.breaks.rows?.length ?? 0
  const sums = match.truncated ? [] : sumsOf(manifest, match)
  return (
    <section aria-label={`Match ${match.match_id}`} className="flex flex-col gap-4">
      <div>
        <p className="flex flex-wrap items-center gap-2 text-sm">
          <Badge tone="ok">{kindText(match.cardinality)}</Badge>
          matched in the pass <span className="font-medium">{match.pass}</span>
          {compare(match.confidence, '1') < 0 && <>with a confidence of {percent(match.confidence)}</>}
          {match.ambiguous && <Badge tone="warn">ambiguous</Badge>}
        </p>
        {match.ambiguous && (
          <p className="mt-1 text-xs text-muted">
            Others fitted equally well; the order of the keys decided. The rivals are below.
          </p>
        )}
        {match.truncated && (
          <Note tone="warn">The match has more than 500 pairs; the first 500 are shown, and no sums.</Note>
        )}
      </div>
      {sums.length > 0 && (
        <table className="w-full max-w-xl text-sm">
          <thead>
            <tr className="text-right text-xs text-muted">
              <th scope="col" className="border-b border-line py-1 text-left font-medium">
                Sums
              </th>
              {sides.map((side) => (
                <th key={side} scope="col" className="border-b border-line py-1 pl-3 font-medium">
                  {manifest[side].alias}
                </th>
              ))}
              <th scope="col" className="border-b border-line py-1 pl-3 font-medium">
                Difference
              </th>
            </tr>
          </thead>
          <tbody>
            {sums.map((s) => (
              <tr key={s.name}>
                <th scope="row" className="border-b border-line py-1 text-left font-normal text-muted">
                  {s.name}
                </th>
                <td className="num border-b border-line py-1 pl-3 text-right">{amount(s.left)}</td>
                <td className="num border-b border-line py-1 pl-3 text-right">{amount(s.right)}</td>
                <td
                  className={cx(
                    'num border-b border-line py-1 pl-3 text-right',
                    compare(s.difference, '0') !== 0 && 'font-medium text-warn',
                  )}
                >
                  {amount(s.difference)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {sides.map((side) => (
        <section key={side}>
          <h3 className="mb-1.5 text-sm font-semibold">
            {manifest[side].alias}{' '}
            <span className="font-normal text-muted">{plural(match[side].rows?.length ?? 0, 'record')}</span>
          </h3>
          <RowsTable
            id={id}
            manifest={manifest}
            rows={match[side]}
            label={`Records of ${manifest[side].alias}`}
            table={unmatchedOf(side)}
            recordOf={(value) => {
              const key = keyText(keyColumns(manifest, match[side].columns ?? [], side).map((c) => value(c.name)))
              return key === undefined ? undefined : { side, key }
            }}
            marked={(r) => r?.side === record.side && r.key === record.key}
          />
        </section>
      ))}
      {breaks > 0 && (
        <section>
          <h3 className="mb-1.5 text-sm font-semibold">
            Breaks <span className="font-normal text-muted">matched, but these fields differ</span>
          </h3>
          <RowsTable id={id} manifest={manifest} rows={match.breaks} label="Breaks" table="breaks" />
        </section>
      )}
    </section>
  )
}

/** The sums of the amounts that the recipe compares or adds up, exact. */
function sumsOf(manifest: Manifest, match: Match) {
  const pairs = new Map<string, { left: string; right: string }>()
  for (const pass of manifest.recipe.match ?? []) {
    for (const c of [...(pass.sum ? [pass.sum] : []), ...(pass.when ?? [])]) {
      if (isAmount(match.left, c.left) && isAmount(match.right, c.right)) pairs.set(c.left + '\n' + c.right, c)
    }
  }
  return [...pairs.values()].map(({ left, right }) => {
    const l = sum(valuesOf(match.left, left))
    const r = sum(valuesOf(match.right, right))
    return { name: left === right ? left : `${left}, ${right}`, left: l, right: r, difference: subtract(r, l) }
  })
}

function isAmount(rows: Rows, of: string): boolean {
  return rows.columns?.some((c) => c.of === of && c.type.kind === 'decimal') ?? false
}

function valuesOf(rows: Rows, of: string): Decimal[] {
  const i = rows.columns?.findIndex((c) => c.of === of) ?? -1
  return (rows.rows ?? []).flatMap((cells) => {
    const value = cells?.[i]
    return value !== null && value !== undefined && isDecimal(value) ? [value] : []
  })
}
