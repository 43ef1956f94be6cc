// Decimals as texts, for display. An amount never becomes a float: 0.1 + 0.2 is
// 0.3 here, and 18 digits survive. Arithmetic that decides anything is the server's.

/** A decimal number as the API writes it: "-1234.50", "7", "0.0001". No exponent. */
export type Decimal = string

interface Parts {
  /** All digits as one integer: value × 10^scale. */
  units: bigint
  /** Digits after the point. */
  scale: number
}

const pattern = /^([+-]?)(\d+)(?:\.(\d+))?$/

/** Whether the text is a decimal number. */
export function isDecimal(text: string): boolean {
  return pattern.test(text)
}

function parse(text: Decimal): Parts {
  const found = pattern.exec(text)
  if (!found) throw new RangeError(`"${text}" is not a decimal number`)
  const [, sign, whole = '0', fraction = ''] = found
  const units = BigInt(whole + fraction)
  return { units: sign === '-' ? -units : units, scale: fraction.length }
}

function print({ units, scale }: Parts): Decimal {
  const negative = units < 0n
  const digits = (negative ? -units : units).toString().padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  const fraction = digits.slice(digits.length - scale)
  return (negative ? '-' : '') + (scale > 0 ? `${whole}.${fraction}` : whole)
}

function aligned(a: Decimal, b: Decimal): [bigint, bigint, number] {
  const x = parse(a)
  const y = parse(b)
  const scale = Math.max(x.scale, y.scale)
  return [x.units * 10n ** BigInt(scale - x.scale), y.units * 10n ** BigInt(scale - y.scale), scale]
}

/** a + b, exact. */
export function add(a: Decimal, b: Decimal): Decimal {
  const [x, y, scale] = aligned(a, b)
  return print({ units: x + y, scale })
}

/** a − b, exact. */
export function subtract(a: Decimal, b: Decimal): Decimal {
  const [x, y, scale] = aligned(a, b)
  return print({ units: x - y, scale })
}

/** The exact sum; "0" of nothing. */
export function sum(values: Iterable<Decimal>): Decimal {
  let total = '0'
  for (const value of values) total = add(total, value)
  return total
}

/** −1, 0 or 1. Scales do not matter: 1.0 equals 1. */
export function compare(a: Decimal, b: Decimal): -1 | 0 | 1 {
  const [x, y] = aligned(a, b)
  return x < y ? -1 : x > y ? 1 : 0
}

/** −1, 0 or 1. */
export function sign(a: Decimal): -1 | 0 | 1 {
  const { units } = parse(a)
  return units < 0n ? -1 : units > 0n ? 1 : 0
}

/** Its absolute value, with the same scale. */
export function abs(a: Decimal): Decimal {
  return a.replace(/^[+-]/, '')
}

/**
 * part ÷ whole with the given places, cut and not rounded, so that a share below one never shows as one.
 * "0" where the whole is zero.
 */
export function ratio(part: Decimal | number | bigint, whole: Decimal | number | bigint, places = 4): Decimal {
  const [x, y] = aligned(String(part), String(whole))
  if (y === 0n) return '0'
  return print({ units: (x * 10n ** BigInt(places)) / y, scale: places })
}

/** × 10^n, exact: a rate of 0.9821 is 98.21 percent. */
export function shift(a: Decimal, n: number): Decimal {
  const { units, scale } = parse(a)
  return n >= scale ? print({ units: units * 10n ** BigInt(n - scale), scale: 0 }) : print({ units, scale: scale - n })
}

/** Cut or padded to between least and most places; zeros at the end go first. Nothing but zeros is cut unless most says so. */
export function places(a: Decimal, least: number, most = Infinity): Decimal {
  const { units, scale } = parse(a)
  let digits = print({ units, scale })
  const parts = digits.split('.')
  const whole = parts[0] ?? '0'
  let fraction = parts[1] ?? ''
  if (fraction.length > most) fraction = fraction.slice(0, most)
  while (fraction.length > least && fraction.endsWith('0')) fraction = fraction.slice(0, -1)
  fraction = fraction.padEnd(least, '0')
  digits = fraction ? `${whole}.${fraction}` : whole
  return /^-[0.]*$/.test(digits) ? digits.slice(1) : digits
}

/**
 * Where a value lies between two others, 0 to 1, as a float: the length of a bar, never a figure.
 * 0 where the two are equal.
 */
export function position(value: Decimal, from: Decimal, to: Decimal): number {
  return Number(ratio(subtract(value, from), subtract(to, from), 6))
}
