import { abs, add, compare, isDecimal, places, position, ratio, shift, sign, subtract, sum } from '@/lib/decimal'
import { describe, expect, test } from 'vitest'

describe('decimals', () => {
  test.each([
    ['0.1', '0.2', '0.3'],
    ['-0.10', '0.1', '0.00'],
    ['99999999999999999999.99', '0.01', '100000000000000000000.00'],
    ['1', '-1.005', '-0.005'],
  ])('%s + %s = %s', (a, b, want) => {
    expect(add(a, b)).toBe(want)
    expect(compare(subtract(want, b), a)).toBe(0)
  })

  test('a thousand cents are exact, which floats are not', () => {
    expect(sum(Array.from({ length: 1000 }, () => '0.01'))).toBe('10.00')
    expect(sum([])).toBe('0')
  })

  test('compares by value, not by text', () => {
    expect(compare('1.0', '1')).toBe(0)
    expect(compare('-2', '1')).toBe(-1)
    expect(compare('10', '9.99')).toBe(1)
    expect([sign('-0.00'), sign('-0.01'), sign('3')]).toEqual([0, -1, 1])
    expect(abs('-3.20')).toBe('3.20')
  })

  test('a share below one is never shown as one', () => {
    expect(ratio(999_999, 1_000_000)).toBe('0.9999')
    expect(ratio('1', '3', 6)).toBe('0.333333')
    expect(ratio(5, 0)).toBe('0')
    expect(ratio(5, 5)).toBe('1.0000')
  })

  test('moves the point and keeps what is significant', () => {
    expect(shift('0.9821', 2)).toBe('98.21')
    expect(shift('1', 2)).toBe('100')
    expect(places('1.5000', 2)).toBe('1.50')
    expect(places('1.23456', 2)).toBe('1.23456')
    expect(places('1.999', 0, 2)).toBe('1.99')
    expect(places('-0.001', 0, 2)).toBe('0')
  })

  test('places on an axis', () => {
    expect(position('5', '0', '10')).toBe(0.5)
    expect(position('5', '5', '5')).toBe(0)
  })

  test('knows what is no decimal', () => {
    expect(['1', '-1.50', '+2'].every(isDecimal)).toBe(true)
    expect(['', '1e5', '1,000', '.5', '5.', 'NaN', ' 1'].some(isDecimal)).toBe(false)
    expect(() => add('1', 'x')).toThrow('"x" is not a decimal number')
  })
})
