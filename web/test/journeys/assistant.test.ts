import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Kalla, looksRight } from './kalla'

let kalla: Kalla
let files: string
let chat: string
beforeAll(async () => {
  kalla = await Kalla.start('--no-demo')
  files = join(kalla.dir, 'files of a test')
  await mkdir(files)
  // 200 invoices; 180 are paid, 10 of them 0.01 short, 5 far too little; 8 payments are of nobody.
  const invoices = ['invoice,customer,amount,issued,status']
  const payments = ['payment,reference,amount,paid']
  const money = (cents: number) => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`
  for (let i = 1; i <= 200; i++) {
    const day = String((i % 27) + 1).padStart(2, '0')
    const amount = 10_000 + i * 137
    invoices.push(`INV-${1000 + i},Customer ${i % 17},${money(amount)},2026-10-${day},open`)
    if (i <= 180) {
      const paid = i <= 10 ? amount - 1 : i <= 15 ? amount - 5000 : amount
      payments.push(`P-${i},INV-${1000 + i},${money(paid)},2026-11-${day}`)
    }
  }
  for (let i = 1; i <= 8; i++) payments.push(`P-9${i},none ${i},77.0${i},2026-11-20`)
  await writeFile(join(files, 'Invoices.csv'), invoices.join('\n') + '\n')
  await writeFile(join(files, 'Payments.csv'), payments.join('\n') + '\n')
})
afterAll(() => kalla.stop())

interface Run {
  status: string
  matched_count: number
  unmatched_left_count: number
  unmatched_right_count: number
}

/** Where the conversation is on its way. */
const step = (page: Page, name: string) =>
  page.getByRole('list', { name: 'Steps' }).locator('[aria-current=step]', { hasText: name }).waitFor()

async function drop(page: Page, card: string, file: string) {
  const chooser = page.waitForEvent('filechooser')
  await page.getByRole('region', { name: card }).getByText('choose one').click()
  await (await chooser).setFiles(join(files, file))
}

test('from two files to the result of a saved recipe, without a model', async () => {
  const { page, context, errors } = await kalla.visit('/')
  await page.getByRole('link', { name: 'Describe what to reconcile' }).click()
  await page.getByRole('heading', { name: 'What can I ask?' }).waitFor()
  await looksRight(page, 'assistant-empty')
  await page.getByRole('button', { name: /^Reconcile two files/ }).click()
  await page.waitForURL(/\/assistant\/[^/]+$/)
  const log = page.getByRole('log')
  await log.getByText('Tell me what you would like to reconcile').waitFor()
  await step(page, 'Greeting')
  await looksRight(page, 'assistant-upload')
  await drop(page, 'Upload the records that are to be answered', 'Invoices.csv')
  await log.getByText('Uploaded as the source invoices').waitFor()
  await drop(page, 'Upload the records that answer them', 'Payments.csv')

  await step(page, 'Records')
  await page.getByRole('region', { name: 'Sample of invoices' }).getByText('INV-1001').waitFor()
  await page.getByRole('button', { name: 'All of these records' }).click()

  // One pair by a click, the others by keys; what was answered survives a reload.
  await step(page, 'Examples')
  await page.getByText('pair 1 of 3').waitFor()
  await page.getByRole('button', { name: 'They belong together' }).click()
  await page.getByText('pair 2 of 3').waitFor()
  await page.reload()
  for (const pair of [2, 3]) {
    await page.getByText(`pair ${pair} of 3`).waitFor()
    const card = page.getByRole('region', { name: 'Do these records belong together?' })
    await card.getByRole('button', { name: 'They belong together' }).and(page.locator(':enabled')).waitFor()
    await page.keyboard.press(
      (await card.getByText('The closest pair').filter({ visible: true }).count()) > 0 ? 'n' : 'y',
    )
  }

  // An alternative is taken, a rule dropped.
  await step(page, 'Rules')
  const rules = page.getByRole('region', { name: 'The rules' }).last()
  await rules.getByRole('button', { name: 'Keep these rules and try them' }).waitFor()
  await rules.getByText('What could stand in its place').first().click()
  await rules
    .getByRole('button', { name: /^Take .* instead$/ })
    .first()
    .click()
  await page.getByRole('region', { name: 'The rules' }).nth(1).waitFor()
  const dates = rules.getByRole('checkbox', { name: /^Keep: paid is/ })
  await dates.click()
  await rules.getByRole('button', { name: 'Draft again without 1 rule' }).click()
  await rules.getByText('Dropped by you').waitFor()
  await looksRight(page, 'assistant-rules-dropped')

  // It comes back by a key, and goes again.
  await rules.getByRole('button', { name: /^Add back: paid is/ }).press('Enter')
  await dates.click()
  await rules.getByRole('button', { name: 'Draft again without 1 rule' }).click()
  await rules.getByText('Dropped by you').waitFor()
  await rules.getByRole('button', { name: 'Keep these rules and try them' }).click()

  await step(page, 'Test')
  const test = page.getByRole('region', { name: 'Tried on all records' })
  const figure = async (name: string) =>
    (await test
      .getByRole('row', { name: new RegExp(`^${name}`) })
      .getByRole('cell')
      .textContent()) ?? ''
  await test.waitFor()
  await test.getByText('It agrees with all of your 3 examples.').waitFor()
  const said = {
    matched: await figure('Matched invoices'),
    left: await figure('Unmatched invoices'),
    right: await figure('Unmatched payments'),
  }
  await page.getByRole('button', { name: 'Save and run' }).click()

  // What was tried is what is run.
  await step(page, 'Run')
  const result = page.getByRole('region', { name: 'The result' })
  await result.waitFor({ timeout: 30_000 })
  const [run] = await kalla.api<Run[]>('/api/runs')
  expect(run?.status).toBe('completed')
  expect([run?.matched_count, run?.unmatched_left_count, run?.unmatched_right_count].map(String)).toEqual([
    said.matched,
    said.left,
    said.right,
  ])
  chat = new URL(page.url()).pathname
  await result.getByRole('link', { name: said.left }).click()
  await page.waitForURL(/\/runs\//)
  expect(errors).toEqual([])
  await context.close()
}, 120_000)

test('a saved recipe is changed, and tried beside the version that was saved', async () => {
  const { page, context, errors } = await kalla.visit(chat)
  // Five invoices are 50.00 short.
  await page.getByRole('button', { name: 'Change the rules' }).click()
  await step(page, 'Rules')
  await page.getByLabel('Message to the assistant').fill('amounts may differ by 60')
  await page.getByLabel('Message to the assistant').press('Enter')
  await page.getByText('The tolerance is changed.').waitFor()
  const set = page.getByRole('region', { name: 'The rules' }).last().getByRole('listitem')
  await set.filter({ hasText: 'Set by you' }).getByText('by at most 60').waitFor()
  await looksRight(page, 'assistant-rules-set')
  await page.getByRole('button', { name: 'Keep these rules and try them' }).click()
  await step(page, 'Test')
  const beside = page.getByRole('region', { name: 'Tried on all records' }).last()
  await beside.getByRole('columnheader', { name: 'Version 1' }).waitFor()
  expect(
    await beside
      .getByRole('row', { name: /^Matched invoices/ })
      .getByRole('cell')
      .allTextContents(),
  ).toEqual(['175', '180', '+5 (better)'])
  await beside.getByText('It disagrees with 1 of your 3 examples').waitFor()
  await page.getByRole('region', { name: 'Text side by side' }).getByText('60').first().waitFor()
  await looksRight(page, 'assistant-beside')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByText('Saved: recipe invoices-payments, version 2.').waitFor()
  expect(errors).toEqual([])
  await context.close()
})

test('the wizard proposes rules as was said of those before', async () => {
  const { page, context, errors } = await kalla.visit('/new')
  for (const [side, alias] of [
    ['Left side', 'invoices'],
    ['Right side', 'payments'],
  ] as const) {
    await page.getByRole('button', { name: side }).click()
    await page.getByRole('option', { name: alias }).click()
  }
  await page.getByRole('button', { name: 'Propose rules' }).click()
  const amounts = page.getByRole('button', { name: /^Change: amount and amount differ/ })
  await amounts.waitFor()
  // The note of the condition on amounts is below it.
  await page.getByRole('listitem').filter({ has: amounts }).getByText('Propose something else').click()
  await page.getByRole('button', { name: /^Propose without amount/ }).click()
  const said = page.getByRole('region', { name: 'What you said of the proposal' })
  await said.waitFor()
  expect(await amounts.count()).toBe(0)
  await looksRight(page, 'wizard-guided')
  await said.getByRole('button', { name: /^Take back/ }).click()
  await amounts.waitFor()
  expect(await said.count()).toBe(0)
  expect(errors).toEqual([])
  await context.close()
})

test.each([
  { width: 1280, dark: true },
  { width: 390, dark: false },
  { width: 390, dark: true },
])('it looks right at $width px, dark: $dark', async (look) => {
  const name = `${look.width}-${look.dark ? 'dark' : 'light'}`
  const { page, context, errors } = await kalla.visit('/assistant', look)
  await page.locator(`a[href="${chat}"]`).waitFor()
  await looksRight(page, `assistant-${name}`)
  await page.goto(kalla.url + chat)
  for (const card of ['Sample of invoices', 'Examples', 'The rules', 'Tried on all records', 'The result']) {
    await page.getByRole('region', { name: card }).first().scrollIntoViewIfNeeded()
    await looksRight(page, `assistant-${card.toLowerCase().replaceAll(' ', '-')}-${name}`)
  }
  expect(errors).toEqual([])
  await context.close()
})
