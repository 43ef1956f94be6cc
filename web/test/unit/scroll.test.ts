import { ScrollScale } from '@/table/scroll'
import { describe, expect, test } from 'vitest'

describe('scrolling a list taller than a browser lays out', () => {
  const list = 32_000_000
  const view = 600

  test('a list that fits is scrolled as it is', () => {
    const scale = new ScrollScale(20_000, view)
    scale.scrolled(1234)
    expect([scale.height, scale.top, scale.shift, scale.strayed(true)]).toEqual([20_000, 1234, 0, false])
  })

  test('the ends of the bar are the ends of the list', () => {
    const scale = new ScrollScale(list, view)
    scale.scrolled(scale.height - view)
    expect(scale.top).toBe(list - view)
    scale.scrolled(0)
    expect(scale.top).toBe(0)
  })

  test('a small movement moves as far in the list as on the screen', () => {
    const scale = new ScrollScale(list, view)
    const bar = scale.go(16_000_000)
    scale.scrolled(bar + 100)
    expect(scale.top).toBe(16_000_100)
    expect(scale.strayed(false)).toBe(false)
    expect(scale.strayed(true)).toBe(true)
    expect(Math.abs(scale.go(scale.top) - bar)).toBeLessThan(100)
  })

  test('small movements alone reach every row, from one end to the other', () => {
    const scale = new ScrollScale(5_000_000, view)
    let bar = scale.go(0)
    let steps = 0
    for (; scale.top < 5_000_000 - view && steps < 10_000; steps++) {
      bar = Math.min(bar + 1500, scale.height - view)
      scale.scrolled(bar)
      if (scale.strayed(steps % 10 === 0)) bar = scale.go(scale.top)
    }
    expect(scale.top).toBe(5_000_000 - view)
    expect(steps).toBeGreaterThanOrEqual(Math.floor((5_000_000 - view) / 1500))
  })

  test('a row is laid out where it is seen', () => {
    const scale = new ScrollScale(list, view)
    const bar = scale.go(20_000_000)
    // The row at the top of the view stands where the bar is.
    expect(20_000_000 - scale.shift).toBe(bar)
  })
})
