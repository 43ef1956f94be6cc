import { sign, type Decimal } from '@/lib/decimal'
import { ago, amount, count, date, dateTime, exactTime, money, percent } from '@/lib/format'
import { useEffect, useState, type ReactNode } from 'react'
import { cx } from './cx'

/** What stands for a value that is missing. */
export function None() {
  return (
    <span className="text-faint">
      <span aria-hidden>–</span>
      <span className="sr-only">none</span>
    </span>
  )
}

export interface MoneyProps {
  value: Decimal | null | undefined
  /** The currency's code; it follows the amount, smaller. */
  currency?: string
  /** A difference: its sign is written, and a negative one is marked. */
  signed?: boolean
}

/** An amount, exact, in tabular figures. Right-align its cell. */
export function Money({ value, currency = '', signed }: MoneyProps) {
  if (value === null || value === undefined) return <None />
  const plus = signed === true && sign(value) > 0 ? '+' : ''
  return (
    <span
      className={cx('num whitespace-nowrap', signed === true && sign(value) < 0 && 'text-bad')}
      title={plus + money(value, currency)}
    >
      {plus}
      {amount(value, currency)}
      {currency && <span className="ml-1 text-[0.8em] leading-none text-muted">{currency}</span>}
    </span>
  )
}

/** A number of things. */
export function Count({ value }: { value: number | null | undefined }) {
  return value === null || value === undefined ? <None /> : <span className="num">{count(value)}</span>
}

/** A share of 0 to 1. */
export function Percent({ value }: { value: Decimal | null | undefined }) {
  return value === null || value === undefined ? <None /> : <span className="num">{percent(value)}</span>
}

export interface DateTimeProps {
  /** RFC 3339, or a plain date. */
  value: string | null | undefined
  /** "5 minutes ago", kept fresh; the exact time is its title. */
  relative?: boolean
}

/** A date, or a time with its zone in the title. A plain date is never moved by a time zone. */
export function DateTime({ value, relative }: DateTimeProps) {
  const plain = value?.length === 10
  useTick(relative === true && value !== undefined && value !== null && !plain)
  if (value === null || value === undefined) return <None />
  return (
    <time dateTime={value} title={plain ? value : exactTime(value)} className="num whitespace-nowrap">
      {plain ? date(value) : relative ? ago(value) : dateTime(value)}
    </time>
  )
}

function useTick(on: boolean) {
  const [, tick] = useState(0)
  useEffect(() => {
    if (!on) return
    const timer = setInterval(() => tick((n) => n + 1), 30_000)
    return () => clearInterval(timer)
  }, [on])
}

export interface StatProps {
  label: string
  value: ReactNode
  /** A remark below: "of 1,204,331". */
  detail?: ReactNode
  /** The change against before, as it is to be read, and whether it is good. */
  delta?: { text: string; good: boolean } | undefined
}

/** Big figures beside each other, as many in a line as fit. */
export function Stats({ children }: { children: ReactNode }) {
  return <dl className="flex flex-wrap gap-x-10 gap-y-4 max-sm:grid max-sm:grid-cols-2 max-sm:gap-x-4">{children}</dl>
}

/** A big figure; goes into Stats. */
export function Stat({ label, value, detail, delta }: StatProps) {
  return (
    <div className="min-w-0">
      <dt className="truncate text-xs text-muted">{label}</dt>
      <dd className="num text-2xl font-semibold tracking-tight max-sm:text-xl">{value}</dd>
      {(detail !== undefined || delta) && (
        <dd className="flex flex-wrap gap-x-2 text-xs text-muted">
          {delta && (
            <span className={cx('num font-medium', delta.good ? 'text-ok' : 'text-bad')}>
              <span aria-hidden>{delta.good ? '▲ ' : '▼ '}</span>
              {delta.text}
              <span className="sr-only">{delta.good ? ' (better)' : ' (worse)'}</span>
            </span>
          )}
          {detail}
        </dd>
      )}
    </div>
  )
}

/** Names and values in two columns; one below the other on a phone. */
export function KeyValue({ items }: { items: { label: string; value: ReactNode }[] }) {
  return (
    <dl className="grid grid-cols-[minmax(7rem,max-content)_minmax(0,1fr)] gap-x-6 gap-y-1.5 text-sm max-sm:grid-cols-1 max-sm:gap-y-0">
      {items.map(({ label, value }) => (
        <div key={label} className="contents">
          <dt className="text-muted">{label}</dt>
          <dd className="min-w-0 max-sm:mb-2">{value}</dd>
        </div>
      ))}
    </dl>
  )
}
