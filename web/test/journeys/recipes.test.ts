import type { Page } from 'playwright-core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Kalla, looksRight } from './kalla'

// Each with a program of its own: what one saves must not be what the next begins with.
let kalla: Kalla
beforeEach(async () => {
  kalla = await Kalla.start()
})
afterEach(() => kalla.stop())

const path = '/recipes/invoices-payments'

interface Recipe {
  version: number
  document: string
}

const editorOf = (page: Page) => page.getByRole('textbox', { name: 'Recipe as YAML' })

/** Writes a whole document into the editor, as one who pastes it over what is there. */
async function write(page: Page, text: string) {
  await editorOf(page).focus()
  // The editor takes notice of its focus a moment later, and of where the caret is with it.
  await page.locator('.cm-editor.cm-focused').waitFor()
  await page.keyboard.press('Control+a')
  await page.keyboard.insertText(text)
}

test('a recipe with a fault is told where, mended, saved and compared', async () => {
  const { page, context, errors } = await kalla.visit('/recipes')
  await page.getByRole('link', { name: 'Invoices to payments' }).click()
  await page.getByText('Nothing is wrong with it').waitFor()
  const editor = editorOf(page)
  await editor.waitFor()
  await looksRight(page, 'recipe')

  // The fault is marked at its line, and said below.
  const { document } = await kalla.api<Recipe>(`/api${path}`)
  const line = document.split('\n').findIndex((l) => l.includes('within: {days: [0, 60]}'))
  expect(line).toBeGreaterThan(0)
  await write(page, document.replace('within: {days: [0, 60]}', 'wihtin: {days: [0, 60]}'))
  await page.getByText('2 faults').waitFor() // the field, and what prefers by it
  await page.getByText(`line ${line + 1}`).waitFor()
  await page.keyboard.press('Control+Home') // only lines in sight are drawn
  await page.locator('.cm-lint-marker-error').first().waitFor()
  expect(await page.getByRole('button', { name: 'Save' }).isDisabled()).toBe(true)
  await looksRight(page, 'recipe-fault')
  // Its place is gone to from what is said.
  await page
    .getByRole('button', { name: `line ${line + 1} ` })
    .first()
    .click()
  await page.locator('.cm-activeLine', { hasText: 'wihtin' }).waitFor()
  expect(await editor.evaluate((node) => node === node.ownerDocument.activeElement)).toBe(true)

  await write(page, document.replace('within: {days: [0, 60]}', 'within: {days: [0, 75]}'))
  await page.getByText('Nothing is wrong with it').waitFor()
  // The words follow.
  await page.getByText(/Pass 1.*0 to 75 days after/).waitFor()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByLabel(/What was changed/).fill('Holidays')
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
  await page.getByText('Saved as version 2').first().waitFor()

  await page.getByRole('tab', { name: /Versions/ }).click()
  await page.getByText(/: Holidays$/).waitFor()
  await page
    .getByRole('list', { name: 'Changes in words' })
    .getByText(/60.*75|75.*60/)
    .waitFor()
  const text = page.getByRole('region', { name: 'Text side by side' })
  await text.getByText('days: [0, 75]').first().waitFor()
  await text.getByText('days: [0, 60]').first().waitFor()
  await looksRight(page, 'recipe-versions')
  expect(errors).toEqual([])
  await context.close()
})

test('a rule changed by its form changes the YAML', async () => {
  const { page, context, errors } = await kalla.visit(path)
  await page.getByText('Nothing is wrong with it').waitFor()
  await page.getByRole('button', { name: 'Edit pass 1' }).click()
  await page.getByRole('button', { name: /^Change: payment_date is 0 to 60 days after/ }).click()
  await page.getByLabel('To, in days').fill('90')
  await looksRight(page, 'condition')
  await page.getByRole('dialog').getByRole('button', { name: 'Change' }).click()
  await page.getByRole('button', { name: /^Change: payment_date is 0 to 90 days after/ }).waitFor()
  await expect.poll(() => editorOf(page).textContent()).toMatch(/\[0, 90\]/)
  await page.getByText('Not saved').waitFor()
  await page.getByRole('button', { name: 'Discard' }).click()
  await page.getByText('Version 1').first().waitFor()
  expect(errors).toEqual([])
  await context.close()
})

test('of two who save, the second is shown what differs', async () => {
  const one = await kalla.visit(path)
  const two = await kalla.visit(path)
  const { document } = await kalla.api<Recipe>(`/api${path}`)
  for (const [{ page }, name] of [
    [one, 'First'],
    [two, 'Second'],
  ] as const) {
    await page.getByText('Nothing is wrong with it').waitFor()
    await write(page, document.replace(/^name: .*$/m, `name: ${name}`))
  }
  for (const { page } of [one, two]) {
    await page.getByText('Nothing is wrong with it').waitFor()
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
    if (page === one.page) await page.getByText('Saved as version 2').first().waitFor()
  }
  const dialog = two.page.getByRole('dialog')
  await dialog.getByText(/saved version 2 while you were editing/).waitFor()
  await dialog.getByText('name: First').waitFor()
  await looksRight(two.page, 'recipe-conflict')
  await dialog.getByRole('button', { name: 'Save mine' }).click()
  await two.page.getByText('Saved as version 3').first().waitFor()
  expect((await kalla.api<Recipe>(`/api${path}`)).document).toContain('name: Second')
  expect(one.errors).toEqual([])
  await one.context.close()
  await two.context.close()
})
