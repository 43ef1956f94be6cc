import { RowWindow, rowsOf, type PageRequest, type RowSource } from '@/lib/rows'
import { describe, expect, test, vi } from 'vitest'

interface Asked extends PageRequest {
  answer: () => void
  fail: (cause: Error) => void
}

/** A source of the numbers below total that answers when it is told to. */
function numbers(total: number, how: { seekable: boolean; says?: boolean }) {
  const asked: Asked[] = []
  const source: RowSource<number> = {
    seekable: how.seekable,
    pageSize: 10,
    fetch: (request) =>
      new Promise((resolve, reject) => {
        // As a server does: the cursor decides, the offset only where it can.
        const from = request.cursor === undefined ? request.offset : Number(request.cursor.slice(1))
        const rows = Array.from({ length: Math.min(10, total - from) }, (_, i) => from + i)
        asked.push({
          ...request,
          answer: () =>
            resolve({ rows, next: from + 10 < total ? `c${from + 10}` : undefined, ...(how.says && { total }) }),
          fail: reject,
        })
      }),
  }
  const answerAll = async () => {
    for (let done = 0; done < asked.length; done++) {
      asked[done]?.answer()
      await Promise.resolve()
      await Promise.resolve()
      await Promise.resolve()
    }
  }
  return { source, asked, answerAll }
}

const settled = () => new Promise((resolve) => setTimeout(resolve))

describe('the window over rows', () => {
  test('reads what is looked at and a page ahead', async () => {
    const { source, asked, answerAll } = numbers(1000, { seekable: true, says: true })
    const rows = new RowWindow(source)
    rows.subscribe(() => undefined)
    rows.want(0, 5)
    await answerAll()
    expect(asked.map((a) => a.offset)).toEqual([0, 10])
    expect(rows.at(7)).toBe(7)
    expect(rows.view()).toMatchObject({ length: 1000, total: 1000, ready: true, loading: false })
  })

  test('goes anywhere at once where the source can, and abandons what is not needed any more', async () => {
    const { source, asked, answerAll } = numbers(1_000_000, { seekable: true, says: true })
    const rows = new RowWindow(source)
    rows.want(0, 5)
    await answerAll()
    rows.want(500_000, 500_005)
    const passed = asked.slice(2)
    rows.want(900_000, 900_005)
    expect(passed.length).toBeGreaterThan(0)
    expect(passed.every((a) => a.signal.aborted)).toBe(true)
    await answerAll()
    expect(rows.at(900_003)).toBe(900_003)
    expect(rows.at(500_003)).toBeUndefined()
  })

  test('keeps few pages, and reads a dropped one again by its cursor', async () => {
    const { source, asked, answerAll } = numbers(1000, { seekable: false })
    const rows = new RowWindow(source)
    for (let at = 0; at < 500; at += 10) {
      rows.want(at, at + 9)
      await answerAll()
      await settled()
    }
    const here = Array.from({ length: 1000 }, (_, i) => rows.at(i)).filter((row) => row !== undefined)
    expect(here.length).toBeLessThanOrEqual(150)
    expect(rows.at(0)).toBeUndefined()
    const before = asked.length
    rows.want(40, 49)
    await answerAll()
    await settled()
    expect(rows.at(42)).toBe(42)
    expect(asked.slice(before).map((a) => a.cursor)).toContain('c40')
  })

  test('without a total grows by a page at a time until the end', async () => {
    const { source, answerAll } = numbers(25, { seekable: false })
    const rows = new RowWindow(source)
    rows.want(0, 3)
    await answerAll()
    await settled()
    expect(rows.view()).toMatchObject({ total: undefined })
    expect(rows.view().length).toBeGreaterThan(10)
    rows.want(15, 19)
    await answerAll()
    await settled()
    expect(rows.view()).toMatchObject({ length: 25, total: 25 })
    expect(rows.at(24)).toBe(24)
  })

  test('an empty answer is an answer', async () => {
    const { source, answerAll } = numbers(0, { seekable: false })
    const rows = new RowWindow(source)
    rows.want(0, 0)
    await answerAll()
    await settled()
    expect(rows.view()).toMatchObject({ length: 0, total: 0, ready: true, loading: false })
  })

  test('a failure is kept until it is tried again', async () => {
    const { source, asked, answerAll } = numbers(30, { seekable: true, says: true })
    const rows = new RowWindow(source)
    const changed = vi.fn()
    rows.subscribe(changed)
    rows.want(0, 3)
    asked[0]?.fail(new Error('away'))
    await settled()
    expect(rows.view().error).toEqual(new Error('away'))
    rows.want(0, 4)
    expect(asked).toHaveLength(1)
    rows.retry()
    await answerAll()
    await settled()
    expect(rows.view()).toMatchObject({ error: undefined, ready: true })
    expect(rows.at(3)).toBe(3)
    expect(changed).toHaveBeenCalled()
  })

  test('what nobody listens to any more is abandoned', () => {
    const { source, asked } = numbers(30, { seekable: true })
    const rows = new RowWindow(source)
    const stop = rows.subscribe(() => undefined)
    rows.want(0, 3)
    stop()
    expect(asked[0]?.signal.aborted).toBe(true)
  })

  test('rows that are here already', async () => {
    const rows = new RowWindow(rowsOf(['a', 'b', 'c']))
    rows.want(0, 2)
    await settled()
    expect([0, 1, 2, 3].map((i) => rows.at(i))).toEqual(['a', 'b', 'c', undefined])
    expect(rows.view()).toMatchObject({ length: 3, total: 3 })
  })
})
