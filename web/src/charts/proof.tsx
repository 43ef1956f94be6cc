import { add, compare, position, type Decimal } from '@/lib/decimal'
import { amount, count, money } from '@/lib/format'
import { Badge } from '@/ui/status'
import { CircleCheck, CircleX } from 'lucide-react'
import { Figure } from './figure'

/** The figures of one side as the summary of a run has them. */
export interface ProofSide {
  alias: string
  total: number
  matched: number
  unmatched: number
  /** By amount column. */
  sums: Record<string, { total: Decimal; matched: Decimal; unmatched: Decimal }>
}

interface Line {
  key: string
  what: string
  total: Decimal
  matched: Decimal
  unmatched: Decimal
  show: (value: Decimal) => string
}

function linesOf(side: ProofSide, currency: string): Line[] {
  const counts: Line = {
    key: 'records',
    what: 'Records',
    total: String(side.total),
    matched: String(side.matched),
    unmatched: String(side.unmatched),
    show: (v) => count(BigInt(v)),
  }
  const sums = Object.entries(side.sums).map(([column, s]) => ({
    key: `sum-${column}`,
    what: column,
    ...s,
    show: (v: Decimal) => amount(v, currency),
  }))
  return [counts, ...sums]
}

const holds = (line: Line) => compare(add(line.matched, line.unmatched), line.total) === 0

/**
 * That nothing was lost: total = matched + unmatched on both sides, in counts and in every sum. The sums are added up
 * here again, exactly, so that the page does not merely repeat what it was told.
 */
export function Proof({ left, right, currency = '' }: { left: ProofSide; right: ProofSide; currency?: string }) {
  const sides = [left, right].map((side) => ({ side, lines: linesOf(side, currency) }))
  const wrong = sides.flatMap(({ lines }) => lines).filter((line) => !holds(line)).length
  return (
    <Figure
      title="Proof"
      description={
        wrong === 0
          ? 'On both sides, matched and unmatched add up to the total, in records and in every sum.'
          : 'Matched and unmatched do not add up to the total. Do not use this result.'
      }
      aside={
        wrong === 0 ? (
          <Badge tone="ok" icon={<CircleCheck size={12} aria-hidden />}>
            Adds up
          </Badge>
        ) : (
          <Badge tone="bad" icon={<CircleX size={12} aria-hidden />}>
            Does not add up
          </Badge>
        )
      }
      table={{
        head: ['Of', 'Matched', 'Unmatched', 'Total'],
        rows: sides.flatMap(({ side, lines }) =>
          lines.map((line) => [
            `${side.alias}: ${line.what}`,
            line.show(line.matched),
            line.show(line.unmatched),
            line.show(line.total),
          ]),
        ),
      }}
    >
      <div className="grid gap-x-8 gap-y-4 md:grid-cols-2">
        {sides.map(({ side, lines }, i) => (
          <section key={i} aria-label={side.alias} className="min-w-0">
            <h4 className="mb-2 truncate text-sm font-medium">{side.alias}</h4>
            <ul className="flex flex-col gap-3">
              {lines.map((line) => (
                <ProofLine
                  key={line.key}
                  line={line}
                  {...(line.key !== 'records' && currency && { title: money(line.total, currency) })}
                />
              ))}
            </ul>
          </section>
        ))}
      </div>
    </Figure>
  )
}

function ProofLine({ line, title }: { line: Line; title?: string }) {
  const share = position(line.matched, '0', line.total)
  // Credits and debits together can make a share less than nothing or more than all: then there is no bar to draw.
  const drawn = share >= 0 && share <= 1
  return (
    <li title={title}>
      <p className="flex items-baseline justify-between gap-2 text-xs text-muted">
        <span className="truncate">{line.what}</span>
        <span className="num text-sm font-medium text-fg">{line.show(line.total)}</span>
      </p>
      {drawn && (
        <div className="my-1 flex h-2 gap-px overflow-hidden rounded-full" aria-hidden>
          <span className="bg-chart-1" style={{ width: `${share * 100}%` }} />
          <span className="flex-1 bg-chart-3" />
        </div>
      )}
      <p className="num flex flex-wrap justify-between gap-x-3 text-xs">
        <span>
          <span className="text-muted">matched</span> {line.show(line.matched)}
        </span>
        <span>
          <span className="text-muted">+ unmatched</span> {line.show(line.unmatched)}
        </span>
      </p>
      {!holds(line) && <p className="text-xs text-bad">These do not add up to the total.</p>}
    </li>
  )
}
