import { compare, sum, type Decimal } from '@/lib/decimal'
import { amount, compact, count, decimal, plural } from '@/lib/format'
import { cx } from '@/ui/cx'
import { Figure } from './figure'
import { ticks } from './scale'

interface ColumnOf {
  key: string
  /** Below the column. */
  label: string
  /** The whole name, for the tooltip and the button. */
  name: string
  parts: { name: string; count: number; colour: string; pick?: (() => void) | undefined }[]
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
            return (
              <li key={column.key} className="flex h-full min-w-0 flex-1 items-end gap-px px-px">
                {column.parts.map((part) => (
                  <Bar key={part.name} name={column.name} part={part} top={top} />
                ))}
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

function Bar({ name, part, top }: { name: string; part: ColumnOf['parts'][number]; top: number }) {
  const text = `${name}: ${plural(part.count, 'record')}${part.name ? ` ${part.name}` : ''}`
  const bar = (
    <span
      className={cx('w-full rounded-t-sm', part.colour)}
      style={{ height: `max(${part.count > 0 ? '2px' : '0px'}, ${(part.count / top) * 100}%)` }}
    />
  )
  const style = 'flex h-full min-w-0 flex-1 items-end'
  if (part.pick && part.count > 0) {
    return (
      <button
        type="button"
        title={text}
        aria-label={`${text}. Show them.`}
        onClick={part.pick}
        className={cx(style, 'hover:bg-hover/60')}
      >
        {bar}
      </button>
    )
  }
  return (
    <span title={text} className={style}>
      <span className="sr-only">{text}</span>
      {bar}
    </span>
  )
}

/** A range of the size of differences and the records within: above from, up to and with to. */
export interface Bin {
  /** Null: no difference at all. */
  from: Decimal | null
  /** Null: no upper end. */
  to: Decimal | null
  count: number
  /** Of the differences, by their signs. */
  sum: Decimal | null
}

/** How far the amounts of matched records are off, by size. */
export function AmountHistogram({ bins }: { bins: readonly Bin[] }) {
  const total = bins.reduce((all, b) => all + b.count, 0)
  const none = bins.filter((b) => b.from === null).reduce((all, b) => all + b.count, 0)
  const off = sum(bins.flatMap((b) => b.sum ?? []))
  return (
    <Figure
      title="Differences in amount"
      description={`${count(none)} of ${plural(total, 'match', 'matches')} agree to the last digit; in all the other side is off by ${amount(off)}.`}
      empty="No amounts are compared with a tolerance."
      table={{
        head: ['Difference', 'Matches', 'Sum of differences'],
        rows: total === 0 ? [] : bins.map((b) => [binName(b), count(b.count), b.sum === null ? '' : amount(b.sum)]),
      }}
    >
      <Columns
        label="Matches by size of the difference"
        columns={bins.map((b, i) => ({
          key: `${i}`,
          label: b.to === null ? `> ${axisAmount(b.from ?? '0')}` : b.from === null ? '0' : `≤ ${axisAmount(b.to)}`,
          name: binName(b),
          parts: [{ name: '', count: b.count, colour: b.from === null ? 'bg-chart-2' : 'bg-chart-5' }],
        }))}
      />
    </Figure>
  )
}

function binName({ from, to }: Bin): string {
  if (from === null) return 'no difference'
  return to === null ? `more than ${decimal(from)}` : `more than ${decimal(from)}, up to ${decimal(to)}`
}

// An axis has no room for figures of ten digits; the table has.
function axisAmount(value: Decimal): string {
  return compare(value, '1') < 0 ? decimal(value) : compact(Number(value))
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
  /** Those of a side in a bucket were chosen. */
  onPick?: (bucket: number, side: 'left' | 'right') => void
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
        columns={buckets.map((b, i) => ({
          key: b.label,
          label: b.label,
          name: b.label,
          parts: [
            { name: `of ${left}`, count: b.left, colour: 'bg-chart-1', pick: onPick && (() => onPick(i, 'left')) },
            { name: `of ${right}`, count: b.right, colour: 'bg-chart-2', pick: onPick && (() => onPick(i, 'right')) },
          ],
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
