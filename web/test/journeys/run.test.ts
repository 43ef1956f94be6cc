import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Kalla, looksRight, program, type Visit } from './kalla'
import { sheetsOf } from './workbook'

const run = promisify(execFile)

let kalla: Kalla
let finished: string

interface RunAnswer {
  run_id: string
  status: string
  unmatched_left_count: number
  summary?: { reasons: Record<string, Record<string, number>>; left: { unmatched: number } }
}

beforeAll(async () => {
  kalla = await Kalla.start()
  finished = await vi.waitFor(
    async () => {
      const [demo] = await kalla.api<RunAnswer[]>('/api/runs')
      if (demo?.status !== 'completed') throw new Error(`the demo's run is ${demo?.status ?? 'not there'}`)
      return demo.run_id
    },
    { timeout: 60_000, interval: 200 },
  )
}, 120_000)
afterAll(() => kalla.stop(), 30_000)

/** Sends something as the one who visits. */
async function post<T>(visit: Visit, path: string, data: unknown): Promise<T> {
  const response = await visit.context.request.post(kalla.url + path, { data, headers: { Origin: kalla.url } })
  if (!response.ok()) throw new Error(`POST ${path}: ${response.status()} ${await response.text()}`)
  return (await response.json()) as T
}

test('a reason leads to its records, a record back to its place, and all of it into a workbook', async () => {
  const { page, context, errors } = await kalla.visit(`/runs/${finished}`)
  const result = await kalla.api<RunAnswer>(`/api/runs/${finished}`)
  const differs = result.summary?.reasons['left']?.['amount_differs'] ?? 0
  await page
    .getByRole('figure', { name: /Why invoices/ })
    .getByRole('button', { name: /Amount differs/ })
    .click()
  const grid = page.getByRole('grid', { name: 'Unmatched invoices' })
  await expect.poll(() => grid.getAttribute('aria-rowcount')).toBe(String(differs + 1))

  // Far down, so that the place is worth keeping.
  await grid.focus()
  await page.keyboard.press('End')
  await page.keyboard.press('k')
  const row = grid.locator(`[data-position="${differs - 2}"]`)
  const key = (await row.getByRole('gridcell').first().textContent()) ?? ''
  await page.keyboard.press('Enter')
  const sheet = page.getByRole('dialog', { name: `Invoice ${key}` })
  await sheet.getByText(/The amount of the closest payment/).waitFor()
  await page.keyboard.press('j')
  await expect.poll(() => page.getByRole('dialog').getAttribute('aria-labelledby')).toBeTruthy()
  await page
    .getByRole('dialog')
    .getByRole('heading', { name: /^Invoice/ })
    .filter({ hasNotText: key })
    .waitFor()
  await page.keyboard.press('k')
  await sheet.waitFor()

  await sheet.getByRole('link', { name: 'Open as a page' }).click()
  await page.getByRole('heading', { level: 1, name: `Invoice ${key}` }).waitFor()
  await page.getByRole('link', { name: 'Back to Unmatched invoices' }).click()
  await row.getByText(key).waitFor()
  expect(page.url()).toContain('amount_differs')

  // The same address shows somebody else the same.
  const address = page.url()
  await page.reload()
  await row.getByText(key).waitFor()
  expect(page.url()).toBe(address)

  await page.keyboard.press('e')
  await page.getByText('Whole tables are exported.').waitFor()
  const coming = page.waitForEvent('download')
  await page.getByRole('dialog').getByRole('button', { name: 'Export', exact: true }).click()
  const path = join(kalla.dir, 'export.xlsx')
  await (await coming).saveAs(path)
  expect(sheetsOf(await readFile(path)).get('Unmatched left')?.length).toBe(result.summary?.left.unmatched)
  expect(errors).toEqual([])
  await context.close()
})

test('two browsers follow one run, and one of them cancels it', async () => {
  const big = join(kalla.dir, 'big')
  await run(program, ['demo', '--rows', '1000000', '--dir', big])
  const { recipe } = await kalla.api<{ recipe: unknown }>('/api/recipes/invoices-payments')
  const source = (alias: string) => ({ alias, uri: join(big, `${alias}.csv`) })
  const one = await kalla.visit('/runs')
  const { run_id } = await post<{ run_id: string }>(one, '/api/runs', {
    recipe,
    resolved_sources: [source('invoices'), source('payments')],
  })
  await one.page.goto(`${kalla.url}/runs/${run_id}`)
  const two = await kalla.visit(`/runs/${run_id}`)
  for (const { page } of [one, two]) await page.getByRole('progressbar', { name: 'Read' }).waitFor()
  await two.page.reload()
  await two.page.getByRole('progressbar', { name: 'Read' }).waitFor()
  await one.page.getByRole('button', { name: 'Cancel the run' }).click()
  await one.page.getByRole('alertdialog').getByRole('button', { name: 'Cancel the run' }).click()
  for (const { page, errors, context } of [one, two]) {
    await page.getByText('It left no evidence').waitFor()
    await page.getByRole('button', { name: 'Run again' }).waitFor()
    expect(errors).toEqual([])
    await context.close()
  }
}, 240_000)

test('two runs are compared, and a count leads to what changed', async () => {
  const visit = await kalla.visit(`/runs/${finished}`)
  const { page, context, errors } = visit
  const again = await post<{ run_id: string }>(visit, `/api/runs/${finished}/rerun`, { parameters: { tolerance: '0' } })
  const strict = again.run_id
  await page.goto(`${kalla.url}/runs/${strict}`)
  await page.getByRole('button', { name: 'Compare' }).click()
  await page
    .getByRole('dialog')
    .getByRole('link', { name: /earlier/ })
    .last()
    .click()
  const row = page.getByRole('row', { name: /^Came apart/ })
  await row.waitFor()
  await looksRight(page, 'compare')
  await page.setViewportSize({ width: 390, height: 844 })
  await looksRight(page, 'compare-phone')
  await page.setViewportSize({ width: 1280, height: 860 })
  const apart = (await row.getByRole('link').first().textContent()) ?? ''
  const before = await kalla.api<RunAnswer>(`/api/runs/${finished}`)
  const then = await kalla.api<RunAnswer>(`/api/runs/${strict}`)
  expect(Number(apart.replace(/\D/g, ''))).toBe(then.unmatched_left_count - before.unmatched_left_count)
  await row.getByRole('link').first().click()
  const grid = page.getByRole('grid', { name: 'Came apart' })
  await expect.poll(() => grid.getAttribute('aria-rowcount')).toBe(String(Number(apart.replace(/\D/g, '')) + 1))
  await grid
    .getByText(/^Matched to PAY-/)
    .first()
    .waitFor()
  await grid
    .getByText(/^Unmatched: /)
    .first()
    .click()
  await page.getByText(/The amount of the closest payment/).waitFor()
  expect(errors).toEqual([])
  await context.close()
})

describe.each([
  { width: 1280, dark: false },
  { width: 390, dark: true },
])('at $width px, dark: $dark', (look) => {
  test('the pages of a run have no serious fault for axe, and fit', async () => {
    const { page, context, errors } = await kalla.visit(`/runs/${finished}`, look)
    const paths = {
      run: '',
      matched: '?tab=matched',
      sheet: '?tab=unmatched_left&at=2&record=left%2FINV-000033',
      record: '/records/left/INV-000033',
    }
    for (const [name, path] of Object.entries(paths)) {
      await page.goto(`${kalla.url}/runs/${finished}${path}`)
      await page.locator('h1').waitFor()
      await expect.poll(() => page.locator('[role=status][aria-label^=Loading]').count()).toBe(0)
      await looksRight(page, `${name}-${look.width}-${look.dark ? 'dark' : 'light'}`)
    }
    expect(errors).toEqual([])
    await context.close()
  })
})
