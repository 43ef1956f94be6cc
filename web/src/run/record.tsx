import { api, type Schema } from '@/lib/api'
import { data } from '@/lib/http'
import { reasonText } from '@/lib/reasons'
import { cx } from '@/ui/cx'
import { ErrorState, Loading } from '@/ui/states'
import { Badge, Note } from '@/ui/status'
import { None } from '@/ui/values'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { Check, Equal, X } from 'lucide-react'
import { Value } from './columns'
import { otherSide, type Column, type Manifest } from './manifest'
import { MatchGroup } from './match'
import { RecordLink, RowsTable } from './rows-table'
import type { RecordRef, Side } from './search'
import { differenceText, oneOf, whySentence } from './words'

type Rec = Schema<'RecordsRecord'>
type Rows = Schema<'RecordsRows'>

export const recordQuery = (id: string, { side, key }: RecordRef) =>
  queryOptions({
    queryKey: ['run', id, 'record', side, key],
    queryFn: ({ signal }) =>
      data(api.GET('/api/runs/{run_id}/records/{side}/{key}', { params: { path: { run_id: id, side, key } }, signal })),
    staleTime: Infinity,
  })

/** One record and what became of it. */
export function RecordView({ id, manifest, record }: { id: string; manifest: Manifest; record: RecordRef }) {
  const found = useQuery(recordQuery(id, record))
  if (found.isPending) return <Loading label="Loading the record" />
  if (found.isError) return <ErrorState error={found.error} onRetry={() => void found.refetch()} />
  const rec = found.data
  const rivals = rec.rivals?.rows?.length ?? 0
  return (
    <div className="flex flex-col gap-5">
      {rec.unmatched && <Unmatched id={id} manifest={manifest} record={rec} side={record.side} />}
      {rec.matches?.map((match) => (
        <MatchGroup key={match.match_id} id={id} manifest={manifest} match={match} record={record} />
      ))}
      {rec.rivals && rivals > 0 && (
        <section>
          <h3 className="mb-1 text-sm font-semibold">Rivals</h3>
          <p className="mb-2 text-xs text-muted">Candidates that fitted as well, and which of them was chosen.</p>
          <RowsTable id={id} manifest={manifest} rows={rec.rivals} label="Rivals" table="candidates" />
        </section>
      )}
    </div>
  )
}

/** The title of a record: "Invoice INV-000007". */
export function titleOf(manifest: Manifest, { side, key }: RecordRef): string {
  const one = oneOf(manifest[side].alias)
  return `${one.charAt(0).toUpperCase()}${one.slice(1)} ${key}`
}

function Unmatched({ id, manifest, record, side }: { id: string; manifest: Manifest; record: Rec; side: Side }) {
  const why = record.unmatched
  if (!why) return null
  const one = oneOf(manifest[side].alias)
  const other = oneOf(manifest[otherSide(side)].alias)
  const conditions = why.conditions ?? []
  const compared = new Set(conditions.map((c) => c[side]))
  const comparedOther = new Set(conditions.map((c) => c[otherSide(side)]))
  const closest = why.closest
  return (
    <>
      <section aria-label="Why it is unmatched">
        <Note tone="warn" title={reasonText(why.reason)}>
          {whySentence({ side, reason: why.reason, closestKey: why.closest_key, takenBy: why.taken_by, conditions }, {
            [side]: one,
            [otherSide(side)]: other,
          } as Record<Side, string>)}
        </Note>
        {why.taken_by !== null && (
          <p className="mt-2 text-sm">
            <RecordLink id={id} record={{ side, key: why.taken_by }}>
              Show {one} {why.taken_by}, which it is matched to
            </RecordLink>
          </p>
        )}
      </section>
      {conditions.length > 0 && (
        <section>
          <h3 className="text-sm font-semibold">Beside the closest candidate</h3>
          <p className="mb-2 text-xs text-muted">
            {why.closest_pass !== null && <>By the conditions of the pass “{why.closest_pass}”.</>}
          </p>
          <div className="overflow-x-auto" role="region" aria-label="Beside the closest candidate" tabIndex={0}>
            <table className="w-full text-sm">
              <thead>
                <tr className="text-left text-xs text-muted max-sm:grid max-sm:grid-cols-2">
                  <th scope="col" className="border-b border-line py-1 pr-3 font-medium max-sm:hidden">
                    Condition
                  </th>
                  <th scope="col" className="border-b border-line py-1 pr-3 font-medium">
                    This {one}
                  </th>
                  <th scope="col" className="border-b border-line py-1 pr-3 font-medium">
                    {why.closest_key === null ? (
                      other
                    ) : (
                      <RecordLink id={id} record={{ side: otherSide(side), key: why.closest_key }}>
                        {other} {why.closest_key}
                      </RecordLink>
                    )}
                  </th>
                  <th scope="col" className="border-b border-line py-1 font-medium max-sm:hidden">
                    Difference
                  </th>
                </tr>
              </thead>
              <tbody>
                {conditions.map((c, i) => {
                  const mine = side === 'left' ? c.left_value : c.right_value
                  const theirs = side === 'left' ? c.right_value : c.left_value
                  const fails = c.holds === false
                  return (
                    <tr
                      key={i}
                      className={cx(
                        'max-sm:grid max-sm:grid-cols-2 max-sm:border-b max-sm:border-line',
                        fails && 'bg-bad-soft',
                      )}
                    >
                      <th
                        scope="row"
                        className="py-1.5 pr-3 pl-1 text-left text-xs font-normal text-muted max-sm:col-span-2 sm:border-b sm:border-line"
                      >
                        <span className="flex items-start gap-1.5">
                          <Mark holds={c.holds} same={c.same} />
                          {c.rule}
                        </span>
                      </th>
                      <td className={cx('py-1.5 pr-3 max-sm:pl-1 sm:border-b sm:border-line', fails && 'font-medium')}>
                        <Value value={mine} column={typeOf(record.fields, c[side])} />
                      </td>
                      <td className={cx('py-1.5 pr-3 max-sm:pl-1 sm:border-b sm:border-line', fails && 'font-medium')}>
                        <Value value={theirs} column={typeOf(closest, c[otherSide(side)])} />
                      </td>
                      <td
                        className={cx(
                          'num py-1.5 pr-1 whitespace-nowrap max-sm:col-span-2 max-sm:pt-0 max-sm:pl-1 max-sm:empty:hidden sm:border-b sm:border-line',
                          fails && 'font-medium text-bad',
                        )}
                      >
                        {differenceText(c, side) ||
                          (c.same ? (
                            <span className="text-muted max-sm:hidden">none</span>
                          ) : (
                            <span className="max-sm:hidden">
                              <None />
                            </span>
                          ))}
                      </td>
                    </tr>
                  )
                })}
              </tbody>
            </table>
          </div>
        </section>
      )}
      <div className="grid gap-5 sm:grid-cols-2">
        <Fields title={`This ${one}`} rows={record.fields} but={compared} />
        {closest && <Fields title={`The closest ${other}`} rows={closest} but={comparedOther} />}
      </div>
      {(record.fields.rows?.length ?? 0) > 1 && (
        <Note tone="warn">{record.fields.rows?.length} records have this key; the first of them is shown.</Note>
      )}
    </>
  )
}

function Mark({ holds, same }: { holds: boolean | null; same: boolean }) {
  if (holds === false) return <X size={13} className="mt-0.5 shrink-0 text-bad" aria-label="does not hold" />
  if (holds === true || same) return <Check size={13} className="mt-0.5 shrink-0 text-ok" aria-label="holds" />
  return <Equal size={13} className="mt-0.5 shrink-0 text-faint" aria-label="not measured here" />
}

const text = { type: { kind: 'text' } }

function typeOf(rows: Rows | undefined, of: string): Pick<Column, 'type'> {
  return rows?.columns?.find((c) => c.of === of) ?? text
}

/** The fields of a record, without those that are shown elsewhere. */
function Fields({ title, rows, but }: { title: string; rows: Rows; but: ReadonlySet<string> }) {
  const first = rows.rows?.[0] ?? []
  const shown = (rows.columns ?? []).map((c, i) => ({ c, value: first[i] })).filter(({ c }) => !but.has(c.of ?? ''))
  return (
    <section className="min-w-0">
      <h3 className="mb-1 flex items-center gap-2 text-sm font-semibold">{title}</h3>
      <dl className="text-sm">
        {shown.map(({ c, value }) => (
          <div key={c.name} className="flex gap-3 border-b border-line py-1">
            <dt className="w-2/5 shrink-0 truncate text-muted" title={c.of}>
              {c.of ?? c.name}
            </dt>
            <dd className="min-w-0 flex-1">
              <Value value={value} column={c} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

/** What became of a record, as a word. */
export function Outcome({ id, record }: { id: string; record: RecordRef }) {
  const { data: rec } = useQuery(recordQuery(id, record))
  if (!rec) return null
  return rec.unmatched ? <Badge tone="warn">Unmatched</Badge> : <Badge tone="ok">Matched</Badge>
}
