import { ratio, type Decimal } from '@/lib/decimal'
import { amount, count, percent } from '@/lib/format'
import { reasonText } from '@/lib/reasons'
import { cx } from '@/ui/cx'
import { Figure } from './figure'

/** A bar from a share to another, as CSS. */
function span(from: number, length: number, whole: number) {
  const at = (n: number) => `${whole === 0 ? 0 : (n / whole) * 100}%`
  // A bar of few among many is still seen.
  return { left: at(from), width: `max(${length > 0 ? '2px' : '0px'}, ${at(length)})` }
}

export interface PassStep {
  name: string
  /** Records that the pass matched. */
  matched: number
}

export interface WaterfallProps {
  /** The side whose records are followed: "invoices". */
  side: string
  /** All of its records. */
  total: number
  passes: readonly PassStep[]
  /** A pass was chosen: show its records. */
  onPick?: (pass: string) => void
  /** The rest was chosen. */
  onPickRest?: () => void
}

/** What each pass takes off the records of a side, until the rest is left. */
export function PassWaterfall({ side, total, passes, onPick, onPickRest }: WaterfallProps) {
  const before = passes.map((_, i) => passes.slice(0, i).reduce((all, p) => all + p.matched, 0))
  const matched = passes.reduce((all, p) => all + p.matched, 0)
  const rest = total - matched
  const rows = [
    ...passes.map((p, i) => ({
      key: `${i}`,
      name: p.name,
      n: p.matched,
      from: before[i] ?? 0,
      colour: 'bg-chart-1',
      pick: onPick && (() => onPick(p.name)),
    })),
    { key: 'rest', name: 'Unmatched', n: rest, from: matched, colour: 'bg-chart-3', pick: onPickRest },
  ]
  return (
    <Figure
      title={`Passes over ${side}`}
      description={`${count(matched)} of ${count(total)} records matched in ${passes.length} ${passes.length === 1 ? 'pass' : 'passes'}; ${count(rest)} are left.`}
      empty="No pass has run."
      table={{
        head: ['Pass', 'Records', 'Share', 'Left after'],
        rows:
          passes.length === 0
            ? []
            : rows.map((r) => [
                r.name,
                count(r.n),
                percent(ratio(r.n, total)),
                r.key === 'rest' ? '' : count(total - r.from - r.n),
              ]),
      }}
    >
      <BarRows rows={rows} total={total} />
    </Figure>
  )
}

interface BarRow {
  key: string
  name: string
  n: number
  from: number
  colour: string
  pick: (() => void) | undefined
}

function BarRows({ rows, total, whole = total }: { rows: readonly BarRow[]; total: number; whole?: number }) {
  return (
    <ul className="flex flex-col gap-1">
      {rows.map((row) => {
        const inside = (
          <>
            <span className="line-clamp-2 w-42 shrink-0 text-left text-sm leading-4 max-sm:w-28" title={row.name}>
              {row.name}
            </span>
            <span className="relative h-4 min-w-0 flex-1 overflow-hidden rounded-sm bg-hover">
              <span className={cx('absolute inset-y-0 rounded-sm', row.colour)} style={span(row.from, row.n, whole)} />
            </span>
            <span className="num w-16 shrink-0 text-right text-sm">{count(row.n)}</span>
            <span className="num w-11 shrink-0 text-right text-xs text-muted">{percent(ratio(row.n, total), 1)}</span>
          </>
        )
        const style = 'flex min-h-7 w-full items-center gap-2 rounded-sm px-1 pointer-coarse:min-h-10'
        return (
          <li key={row.key}>
            {row.pick ? (
              <button
                type="button"
                onClick={row.pick}
                title={`Show these records: ${row.name}`}
                className={cx(style, 'hover:bg-hover')}
              >
                {inside}
              </button>
            ) : (
              <span className={style}>{inside}</span>
            )}
          </li>
        )
      })}
    </ul>
  )
}

export interface ReasonCount {
  reason: string
  count: number
  /** Their amounts, where they are known. */
  sum?: Decimal | undefined
}

/** Why records are unmatched, the most frequent reason first. Each is a way to its records. */
export function ReasonBars({
  side,
  reasons,
  onPick,
}: {
  side: string
  reasons: readonly ReasonCount[]
  onPick?: (reason: string) => void
}) {
  const sorted = reasons.filter((r) => r.count > 0).sort((a, b) => b.count - a.count)
  const total = sorted.reduce((all, r) => all + r.count, 0)
  const most = sorted[0]
  const summed = sorted.some((r) => r.sum !== undefined)
  return (
    <Figure
      title={`Why ${side} are unmatched`}
      description={
        most
          ? `${count(total)} records; most often: ${reasonText(most.reason).toLowerCase()} (${percent(ratio(most.count, total), 1)}).`
          : ''
      }
      empty="Every record is matched."
      table={{
        head: ['Reason', 'Records', 'Share', ...(summed ? ['Amount'] : [])],
        rows: sorted.map((r) => [
          reasonText(r.reason),
          count(r.count),
          percent(ratio(r.count, total)),
          ...(summed ? [r.sum === undefined ? '' : amount(r.sum)] : []),
        ]),
      }}
    >
      <BarRows
        total={total}
        whole={most?.count ?? 0}
        rows={sorted.map((r) => ({
          key: r.reason,
          name: reasonText(r.reason),
          n: r.count,
          from: 0,
          colour: 'bg-chart-3',
          pick: onPick && (() => onPick(r.reason)),
        }))}
      />
    </Figure>
  )
}
