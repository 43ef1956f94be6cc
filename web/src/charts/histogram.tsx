import { compare, type Decimal } from '@/lib/decimal'
import { compact, count, money, plural } from '@/lib/format'
import { cx } from '@/ui/cx'
import { Figure } from './figure'
import { ticks } from './scale'

interface ColumnOf {
  key: string
  /** Below the column. */
  label: string
  /** The whole name, for the tooltip and the button. */
  name: string
  parts: { name: string; count: number; colour: string }[]
  pick?: (() => void) | undefined
}

function Columns({ columns, label }: { columns: readonly ColumnOf[]; label: string }) {
  const heights = columns.map((c) => c.parts.reduce((most, p) => Math.max(most, p.count), 0))
  const axis = ticks(Math.max(...heights, 0))
  const top = axis.at(-1) ?? 1
  // Labels of many columns would run into each other.
  const every = Math.ceil(columns.length / 7)
  return (
    <div className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-2">
      <div className="relative h-40 w-9" aria-hidden>
        {axis.map((v) => (
          <span
            key={v}
            className="num absolute right-0 translate-y-1/2 text-2xs text-muted"
            style={{ bottom: `${(v / top) * 100}%` }}
          >
            {compact(v)}
          </span>
        ))}
      </div>
      <div className="relative border-b border-line-strong">
        {axis.slice(1).map((v) => (
          <span
            key={v}
            aria-hidden
            className="absolute inset-x-0 border-t border-line"
            style={{ bottom: `${(v / top) * 100}%` }}
          />
        ))}
        <ul aria-label={label} className="relative flex h-40 items-end gap-px">
          {columns.map((column) => {
            const text = `${column.name}: ${column.parts.map((p) => `${plural(p.count, 'record')}${column.parts.length > 1 ? ` ${p.name}` : ''}`).join(', ')}`
            const bars = column.parts.map((part) => (
              <span
                key={part.name}
                className={cx('min-w-0 flex-1 rounded-t-sm', part.colour)}
                style={{ height: `max(${part.count > 0 ? '2px' : '0px'}, ${(part.count / top) * 100}%)` }}
              />
            ))
            const style = 'flex h-full w-full items-end gap-px px-px'
            return (
              <li key={column.key} className="h-full min-w-0 flex-1">
                {column.pick ? (
                  <button
                    type="button"
                    title={text}
                    aria-label={`${text}. Show them.`}
                    onClick={column.pick}
                    className={cx(style, 'hover:bg-hover/60')}
                  >
                    {bars}
                  </button>
                ) : (
                  <span title={text} className={style}>
                    <span className="sr-only">{text}</span>
                    {bars}
                  </span>
                )}
              </li>
            )
          })}
        </ul>
      </div>
      <span />
      <div className="flex pt-1" aria-hidden>
        {columns.map((column, i) => (
          <span key={column.key} className="num min-w-0 flex-1 text-center text-2xs whitespace-nowrap text-muted">
            {i % every === 0 && column.label}
          </span>
        ))}
      </div>
    </div>
  )
}

/** A range of differences and the records within; from included, to not. */
export interface Bin {
  from: Decimal
  to: Decimal
  count: number
}

/** How far amounts are off, below and above zero. */
export function AmountHistogram({
  bins,
  currency = '',
  onPick,
}: {
  bins: readonly Bin[]
  currency?: string
  onPick?: (bin: Bin) => void
}) {
  const total = bins.reduce((all, b) => all + b.count, 0)
  const below = bins.filter((b) => compare(b.to, '0') <= 0).reduce((all, b) => all + b.count, 0)
  const name = (b: Bin) => `${money(b.from, currency)} to ${money(b.to, currency)}`
  return (
    <Figure
      title="Differences in amount"
      description={`${plural(total, 'record')}, of which ${count(below)} are short and ${count(total - below)} over.`}
      empty="No amounts differ."
      table={{ head: ['Difference', 'Records'], rows: total === 0 ? [] : bins.map((b) => [name(b), count(b.count)]) }}
    >
      <Columns
        label="Records by difference"
        columns={bins.map((b) => ({
          key: b.from,
          label: axisAmount(b.from),
          name: name(b),
          parts: [{ name: '', count: b.count, colour: compare(b.to, '0') <= 0 ? 'bg-chart-5' : 'bg-chart-2' }],
          pick: onPick && (() => onPick(b)),
        }))}
      />
    </Figure>
  )
}

// An axis has no room for figures of ten digits; the table has.
function axisAmount(value: Decimal): string {
  return compact(Number(value)).replace('-', '−')
}

/** Unmatched records of an age on both sides. */
export interface AgeBucket {
  /** "0–7 days". */
  label: string
  left: number
  right: number
}

/** How long unmatched records have waited. */
export function Ageing({
  buckets,
  left,
  right,
  onPick,
}: {
  buckets: readonly AgeBucket[]
  left: string
  right: string
  onPick?: (bucket: AgeBucket) => void
}) {
  const total = buckets.reduce((all, b) => all + b.left + b.right, 0)
  const oldest = buckets.findLast((b) => b.left + b.right > 0)
  return (
    <Figure
      title="Age of unmatched records"
      description={
        oldest
          ? `${plural(total, 'record')}; ${count(oldest.left + oldest.right)} of them in the oldest group, ${oldest.label}.`
          : ''
      }
      empty="No record is waiting."
      aside={
        <ul className="flex flex-wrap justify-end gap-x-3 text-xs text-muted">
          <Key colour="bg-chart-1">{left}</Key>
          <Key colour="bg-chart-2">{right}</Key>
        </ul>
      }
      table={{
        head: ['Age', left, right],
        rows: total === 0 ? [] : buckets.map((b) => [b.label, count(b.left), count(b.right)]),
      }}
    >
      <Columns
        label="Records by age"
        columns={buckets.map((b) => ({
          key: b.label,
          label: b.label,
          name: b.label,
          parts: [
            { name: `of ${left}`, count: b.left, colour: 'bg-chart-1' },
            { name: `of ${right}`, count: b.right, colour: 'bg-chart-2' },
          ],
          pick: onPick && (() => onPick(b)),
        }))}
      />
    </Figure>
  )
}

function Key({ colour, children }: { colour: string; children: string }) {
  return (
    <li className="flex h-7 items-center gap-1">
      <span className={cx('size-2.5 rounded-sm', colour)} aria-hidden />
      {children}
    </li>
  )
}
