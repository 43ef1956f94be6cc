// How values are shown. The only module that knows the locale: numbers, dates and
// money are written by its habits, texts are English.
import { compare, isDecimal, places, shift, type Decimal } from './decimal'

/** The reader's locale. */
export const locale: string = typeof navigator === 'undefined' ? 'en' : navigator.language || 'en'

/** The reader's time zone, named beside every time: "Europe/Berlin". */
export const timeZone: string = Intl.DateTimeFormat().resolvedOptions().timeZone

/** Formatters for one locale and time zone; tests make their own. */
export function formatter(locale: string, timeZone: string) {
  const integers = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 })
  const point = new Intl.NumberFormat(locale).formatToParts(1.5).find((p) => p.type === 'decimal')?.value ?? '.'
  const short = new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 })
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
  const currencyPlaces = new Map<string, number>()

  // A month as a word, so that no reader takes the day for the month.
  const day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' })
  const moment = new Intl.DateTimeFormat(locale, {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZone,
    timeZoneName: 'short',
  })
  const brief = new Intl.DateTimeFormat(locale, {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZone,
  })

  /** A decimal text by the locale, exact, with at least and at most so many places. A true minus sign lines up with digits. */
  function decimal(value: Decimal, least = 0, most?: number): string {
    if (!isDecimal(value)) return value
    const [whole = '0', fraction = ''] = places(value, least, most).split('.')
    const negative = whole.startsWith('-')
    const digits = integers.format(BigInt(negative ? whole.slice(1) : whole))
    return (negative ? '−' : '') + digits + (fraction ? point + fraction : '')
  }

  /** Places that a currency usually has: EUR 2, JPY 0, BHD 3; 2 for what is no currency. */
  function minorDigits(currency: string): number {
    let digits = currencyPlaces.get(currency)
    if (digits === undefined) {
      try {
        digits =
          new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2
      } catch {
        digits = 2
      }
      currencyPlaces.set(currency, digits)
    }
    return digits
  }

  /** An amount without its currency: padded to the currency's places, never cut. */
  function amount(value: Decimal, currency = ''): string {
    return decimal(value, currency ? minorDigits(currency) : 2)
  }

  /** "1,234.50 EUR": the code stays, because "$" is eight currencies. */
  function money(value: Decimal, currency = ''): string {
    const text = amount(value, currency)
    return currency ? `${text} ${currency}` : text
  }

  /** "1,284,022". */
  function count(value: number | bigint): string {
    return integers.format(value)
  }

  /** "1.3M", for axes and badges where the whole figure is nearby. */
  function compact(value: number): string {
    return short.format(value)
  }

  /** A share of 0 to 1 as "98.21%", with so many places, cut, so that 100% means all; all and nothing have no places. */
  function percent(share: Decimal, places = 2): string {
    if (!isDecimal(share)) return share
    const whole = compare(share, '0') === 0 || compare(share, '1') === 0
    return `${decimal(shift(share, 2), whole ? 0 : places, places)}%`
  }

  /** "3 Nov 2026" from "2026-11-03": a date has no time zone and is not moved by one. */
  function date(value: string): string {
    const at = new Date(`${value.slice(0, 10)}T00:00:00Z`)
    return Number.isNaN(at.getTime()) ? value : day.format(at)
  }

  /** "3 Nov 2026, 14:05" in the reader's zone. */
  function dateTime(value: string | Date): string {
    const at = new Date(value)
    return Number.isNaN(at.getTime()) ? String(value) : brief.format(at)
  }

  /** The same with seconds and the zone's name. */
  function exactTime(value: string | Date): string {
    const at = new Date(value)
    return Number.isNaN(at.getTime()) ? String(value) : moment.format(at)
  }

  /** "5 minutes ago", "in 2 hours". */
  function ago(value: string | Date, now: Date = new Date()): string {
    const seconds = Math.round((new Date(value).getTime() - now.getTime()) / 1000)
    if (Number.isNaN(seconds)) return String(value)
    const size = Math.abs(seconds)
    if (size < 45) return 'just now'
    if (size < 45 * 60) return relative.format(Math.round(seconds / 60), 'minute')
    if (size < 22 * 3600) return relative.format(Math.round(seconds / 3600), 'hour')
    if (size < 26 * 86_400) return relative.format(Math.round(seconds / 86_400), 'day')
    if (size < 320 * 86_400) return relative.format(Math.round(seconds / (30.44 * 86_400)), 'month')
    return relative.format(Math.round(seconds / (365.25 * 86_400)), 'year')
  }

  /** "840 ms", "12 s", "3 min 5 s", "2 h 10 min". */
  function duration(ms: number): string {
    if (ms < 1000) return `${Math.round(ms)} ms`
    const seconds = Math.round(ms / 1000)
    if (ms < 10_000) return `${decimal((ms / 1000).toFixed(1))} s`
    if (seconds < 60) return `${seconds} s`
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
    return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  }

  /** "1.4 GB", in powers of 1000. */
  function bytes(value: number): string {
    let size = value
    for (const unit of ['B', 'kB', 'MB', 'GB']) {
      if (size < 1000) return `${decimal(size.toFixed(unit === 'B' || size >= 100 ? 0 : 1))} ${unit}`
      size /= 1000
    }
    return `${decimal(size.toFixed(1))} TB`
  }

  return {
    decimal,
    amount,
    money,
    minorDigits,
    count,
    compact,
    percent,
    date,
    dateTime,
    exactTime,
    ago,
    duration,
    bytes,
  }
}

export const {
  decimal,
  amount,
  money,
  minorDigits,
  count,
  compact,
  percent,
  date,
  dateTime,
  exactTime,
  ago,
  duration,
  bytes,
} = formatter(locale, timeZone)

/** "1 record", "2 records": the plural is given where it is not the singular with an s. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`
}

const engines: Record<string, string> = { duckdb: 'DuckDB', trino: 'Trino' }

/** "DuckDB 1.5.5": an engine as its makers write it. */
export function engineName({ name, version }: { name: string; version: string }): string {
  return `${engines[name] ?? name} ${version.replace(/^v/, '')}`
}
