import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Kalla, looksRight } from './kalla'
import { sheetsOf } from './workbook'

let kalla: Kalla
let files: string
beforeAll(async () => {
  kalla = await Kalla.start('--no-demo')
  files = join(kalla.dir, 'files of a test')
  await mkdir(files)
  // 60 invoices; 50 are paid, 2 of them 0.01 short, 3 far too little; 5 payments are of nobody.
  const invoices = ['invoice,customer,amount,issued']
  const payments = ['payment,reference,amount,paid']
  for (let i = 1; i <= 60; i++) {
    const day = String((i % 27) + 1).padStart(2, '0')
    const amount = 10_000 + i * 137
    const money = (cents: number) => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`
    invoices.push(`INV-${1000 + i},Customer ${i % 7},${money(amount)},2026-10-${day}`)
    if (i <= 50) {
      const paid = i <= 2 ? amount - 1 : i <= 5 ? amount - 5000 : amount
      payments.push(`P-${i},INV-${1000 + i},${money(paid)},2026-11-${day}`)
    }
  }
  for (let i = 1; i <= 5; i++) payments.push(`P-9${i},none ${i},77.0${i},2026-11-20`)
  await writeFile(join(files, 'Invoices 2026-10.csv'), invoices.join('\n') + '\n')
  await writeFile(join(files, 'Bank.csv'), payments.join('\n') + '\n')
})
afterAll(() => kalla.stop())

/** Counts presses of a pointer or of Enter on the page, so that a way can be measured. */
async function countActs(page: Page): Promise<() => Promise<number>> {
  await page.addInitScript(() => {
    addEventListener(
      'click',
      (event) => {
        // A label's click comes again at its control.
        if (event.isTrusted && event.detail > 0)
          sessionStorage.setItem('acts', String(Number(sessionStorage.getItem('acts') ?? 0) + 1))
      },
      true,
    )
  })
  return async () => Number(await page.evaluate(() => sessionStorage.getItem('acts') ?? '0'))
}

interface RunSummary {
  status: string
  recipe_id: string
  matched_count: number
  unmatched_left_count: number
  unmatched_right_count: number
}

test('from two files to the result in at most eight clicks', async () => {
  const { page, context, errors } = await kalla.visit('/')
  const acts = await countActs(page)
  await page.reload()
  await page.getByRole('navigation').getByRole('link', { name: 'New reconciliation' }).first().click()
  await page.getByRole('heading', { level: 1, name: 'New reconciliation' }).waitFor()
  await looksRight(page, 'wizard-empty')

  const chooser = page.waitForEvent('filechooser')
  await page.getByText('choose them').click()
  await (await chooser).setFiles([join(files, 'Invoices 2026-10.csv'), join(files, 'Bank.csv')])
  // The files go to the sides in their order, and are shown.
  await page.getByRole('region', { name: 'Sample of invoices_2026_10' }).getByText('INV-1001').waitFor()
  await page.getByRole('region', { name: 'Sample of bank' }).getByText('P-1', { exact: true }).waitFor()
  await page.getByText('20 of 60 rows').waitFor()
  await looksRight(page, 'wizard-sources')

  await page.getByRole('button', { name: 'Propose rules' }).click()
  const outcome = page.getByRole('complementary', { name: 'What the rules come to' })
  await outcome.getByText('Match rate').waitFor()
  await page
    .getByRole('button', { name: /^Change: invoice equals reference/ })
    .first()
    .waitFor()
  await looksRight(page, 'wizard-rules')

  // What was chosen survives a reload.
  await page.reload()
  await outcome.getByText('Match rate').waitFor()

  await page.getByRole('button', { name: 'Accept the rules' }).click()
  await looksRight(page, 'wizard-parameters')
  await page.getByRole('button', { name: 'Review', exact: true }).click()
  await page.getByText('Nothing is wrong with it').waitFor()
  await looksRight(page, 'wizard-review')
  await page.getByRole('button', { name: 'Save and run' }).click()
  await page.waitForURL(/\/runs\/[^/]+$/)
  const clicks = await acts()
  expect(clicks).toBeGreaterThanOrEqual(6) // else they were not counted
  expect(clicks).toBeLessThanOrEqual(8)

  const id = new URL(page.url()).pathname.split('/').at(-1) ?? ''
  const run = () => kalla.api<RunSummary>(`/api/runs/${id}`)
  await expect.poll(async () => (await run()).status, { timeout: 30_000 }).toBe('completed')
  const { matched_count, unmatched_left_count, unmatched_right_count } = await run()
  expect({ matched_count, unmatched_left_count, unmatched_right_count }).toEqual({
    matched_count: 47,
    unmatched_left_count: 13,
    unmatched_right_count: 8,
  })
  await page
    .getByText(/^81\.7\d%$/)
    .first()
    .waitFor() // 94 of 115 records

  // What is left over is looked at by its reason.
  await page.getByRole('tab', { name: /^Unmatched Invoices 2026-10|^Unmatched invoices/i }).click()
  const grid = page.getByRole('grid', { name: /^Unmatched invoices/i })
  await expect.poll(() => grid.getAttribute('aria-rowcount')).toBe('14')
  await page.getByRole('button', { name: 'Reason', exact: true }).first().click()
  await page.getByRole('checkbox', { name: 'Amount differs' }).click()
  await page.keyboard.press('Escape')
  await expect.poll(() => grid.getAttribute('aria-rowcount')).toBe('4')
  for (const key of ['INV-1003', 'INV-1004', 'INV-1005']) await grid.getByText(key, { exact: true }).first().waitFor()

  // And taken along as a workbook, which holds what the files did, to the cent.
  await page.getByRole('button', { name: 'Export' }).click()
  const coming = page.waitForEvent('download')
  await page.getByRole('dialog').getByRole('button', { name: 'Export', exact: true }).click()
  const book = join(files, 'result.xlsx')
  await (await coming).saveAs(book)
  const sheets = sheetsOf(await readFile(book))
  expect([...sheets.keys()]).toEqual([
    'Summary',
    'Matched',
    'Unmatched left',
    'Unmatched right',
    'Breaks',
    'Candidates',
  ])
  const left = sheets.get('Unmatched left') ?? []
  expect(left.map((row) => row['invoice']).sort()).toEqual(
    [3, 4, 5, ...Array.from({ length: 10 }, (_, i) => 51 + i)].map((n) => `INV-${1000 + n}`),
  )
  const amountOf = (key: string) => Number(left.find((row) => row['invoice'] === key)?.['amount'])
  expect([amountOf('INV-1003'), amountOf('INV-1060')]).toEqual([104.11, 182.2])
  expect(sheets.get('Matched')?.length).toBe(47)
  expect(sheets.get('Unmatched right')?.length).toBe(8)
  expect(errors).toEqual([])
  await context.close()
})

test('rules are changed, and what they come to follows', async () => {
  const { page, context, errors } = await kalla.visit('/new')
  for (const [side, alias] of [
    ['Left side', 'invoices_2026_10'],
    ['Right side', 'bank'],
  ] as const) {
    await page.getByRole('button', { name: side }).click()
    await page.getByRole('option', { name: alias }).click()
  }
  // Half of the invoices only.
  await page.getByRole('region', { name: 'Left side' }).getByRole('button', { name: 'Filter' }).click()
  await page.getByRole('button', { name: 'Column', exact: true }).click()
  await page.getByRole('option', { name: 'invoice' }).first().click()
  await page.getByLabel('Condition').click()
  await page.getByRole('option', { name: 'contains' }).click()
  await page.getByLabel('Value').fill('INV-102')
  await page.getByRole('button', { name: 'Add filter' }).click()
  await page.getByText('10 rows').waitFor()
  await page.getByRole('button', { name: 'Remove the filter invoice contains INV-102' }).click()

  await page.getByRole('button', { name: 'Propose rules' }).click()
  const outcome = page.getByRole('complementary', { name: 'What the rules come to' })
  await outcome.getByText(/^81\.7\d%$/).waitFor()

  // Without a tolerance the two that are 0.01 short do not match.
  await page
    .getByRole('button', { name: /^Change: amount and amount differ/ })
    .first()
    .click()
  await page.getByLabel('Largest difference').fill('0')
  await page.getByRole('dialog').getByRole('button', { name: 'Change' }).click()
  await outcome.getByText('78.26%', { exact: true }).waitFor()
  await outcome.getByText(/3\.4\d% against the proposal/).waitFor()

  const use = page.getByRole('switch').first()
  await use.click()
  await expect.poll(() => outcome.getByText('78.26%', { exact: true }).count()).toBe(0)
  await use.click()
  await outcome.getByText('78.26%', { exact: true }).waitFor()

  await page.getByRole('button', { name: /^Accept/ }).click()
  await page.getByRole('button', { name: 'Ask for tolerance at every run' }).click()
  await page.getByRole('button', { name: 'Review', exact: true }).click()
  await page.getByLabel('Name').fill('With a tolerance')
  await page.getByLabel('tolerance').fill('0.01')
  await page.getByText('Nothing is wrong with it').waitFor()
  await page.getByRole('button', { name: 'Save and run' }).click()
  await page.waitForURL(/\/runs\/[^/]+$/)
  const id = new URL(page.url()).pathname.split('/').at(-1) ?? ''
  await expect
    .poll(async () => (await kalla.api<RunSummary>(`/api/runs/${id}`)).status, { timeout: 30_000 })
    .toBe('completed')
  expect((await kalla.api<RunSummary>(`/api/runs/${id}`)).matched_count).toBe(47)
  expect(errors).toEqual([])
  await context.close()
})
