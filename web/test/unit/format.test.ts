import { engineName, formatter } from '@/lib/format'
import { describe, expect, test } from 'vitest'

const en = formatter('en-GB', 'Europe/Berlin')
const de = formatter('de-DE', 'Europe/Berlin')
const india = formatter('en-IN', 'Asia/Kolkata')

describe('formats', () => {
  test.each([
    ['1234.5', 'EUR', '1,234.50 EUR', '1.234,50 EUR'],
    ['-1200', 'JPY', '−1,200 JPY', '−1.200 JPY'],
    ['0.5', 'BHD', '0.500 BHD', '0,500 BHD'],
    ['12.34567', 'USD', '12.34567 USD', '12,34567 USD'],
    ['90071992547409931234.05', 'EUR', '90,071,992,547,409,931,234.05 EUR', '90.071.992.547.409.931.234,05 EUR'],
    ['3', '', '3.00', '3,00'],
    ['7.1', 'POINTS', '7.10 POINTS', '7,10 POINTS'],
  ])('%s %s', (value, currency, english, german) => {
    expect(en.money(value, currency)).toBe(english)
    expect(de.money(value, currency)).toBe(german)
  })

  test('groups as the locale does', () => {
    expect(india.decimal('12345678.9')).toBe('1,23,45,678.9')
  })

  test('what is no number stays as it is', () => {
    expect(en.money('n/a', 'EUR')).toBe('n/a EUR')
  })

  test('a percentage is cut, and only all is 100', () => {
    expect(en.percent('0.9821')).toBe('98.21%')
    expect(en.percent('0.99999')).toBe('99.99%')
    expect(en.percent('0.5')).toBe('50.00%')
    expect(en.percent('1.0000')).toBe('100%')
    expect(en.percent('0')).toBe('0%')
    expect(de.percent('0.9821', 1)).toBe('98,2%')
  })

  test('a date is not moved by a time zone, a time is', () => {
    for (const zone of ['Pacific/Kiritimati', 'Pacific/Pago_Pago']) {
      expect(formatter('en-GB', zone).date('2026-11-03')).toBe('3 Nov 2026')
    }
    expect(en.dateTime('2026-11-03T23:30:00Z')).toBe('4 Nov 2026, 00:30')
    expect(en.exactTime('2026-07-03T12:00:01Z')).toBe('3 Jul 2026, 14:00:01 CEST')
    expect(en.date('soon')).toBe('soon')
  })

  test.each([
    [10, 'just now'],
    [5 * 60, '5 minutes ago'],
    [3 * 3600, '3 hours ago'],
    [86_400, 'yesterday'],
    [-2 * 86_400, 'in 2 days'],
    [400 * 86_400, 'last year'],
  ])('%i s before now is %s', (seconds, want) => {
    const now = new Date('2026-11-24T12:00:00Z')
    expect(en.ago(new Date(now.getTime() - seconds * 1000), now)).toBe(want)
  })

  test('durations and sizes', () => {
    expect([840, 4321, 59_400, 185_000, 7_800_000].map(en.duration)).toEqual([
      '840 ms',
      '4.3 s',
      '59 s',
      '3 min 5 s',
      '2 h 10 min',
    ])
    expect([999, 1400, 250_000_000, 1.5e12].map(en.bytes)).toEqual(['999 B', '1.4 kB', '250 MB', '1.5 TB'])
  })
})

test('an engine is called as its makers write it', () =>
  expect(
    [
      { name: 'duckdb', version: 'v1.5.5' },
      { name: 'trino', version: '476' },
      { name: 'other', version: '1' },
    ].map(engineName),
  ).toEqual(['DuckDB 1.5.5', 'Trino 476', 'other 1']))
