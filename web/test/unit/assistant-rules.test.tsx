import type { Card } from '@/assistant/conversation'
import { Rules } from '@/assistant/rules'
import { AnsweringContext } from '@/assistant/use-conversation'
import { render, screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, test, vi } from 'vitest'

const rules = [
  {
    id: 'reference:number=ref',
    path: 'match[0].when[0]',
    what: 'number and ref name the same thing',
    support: '98% of bills',
    agree: 98,
    of: 100,
  },
  {
    id: 'amount:amount=paid',
    path: 'match[0].when[1]',
    what: 'paid differs from amount by at most 0.05',
    support: '',
    agree: 0,
    of: 0,
    set: true,
  },
  {
    id: 'date:issued=paid_on',
    path: '',
    what: 'paid_on is 0 to 9 days after issued',
    support: '',
    agree: 0,
    of: 0,
    dropped: true,
  },
]
const side = { alias: 'bills', total: 100, matched: 98 }

/** The card of these rules, and what is answered to it. */
function shown(more: Partial<Card> = {}, busy = false) {
  const summary = { rules, left: side, right: side }
  const card: Card = { id: 'c', kind: 'rule_summary', open: true, rule_summary: summary, ...more }
  const answer = vi.fn()
  render(
    <AnsweringContext value={{ id: 'chat', busy, answer }}>
      <Rules card={card} summary={summary} />
    </AnsweringContext>,
  )
  return answer
}
const item = (text: RegExp) => {
  const found = screen.getAllByRole('listitem').find((x) => text.test(x.textContent))
  if (!found) throw new Error(`no rule ${text.source}`)
  return within(found)
}

describe('the card of the rules', () => {
  test('a tolerance that a person set is marked, and quotes no evidence', () => {
    shown()
    const amount = item(/at most 0.05/)
    expect(amount.getByText('Set by you')).toBeTruthy()
    expect(amount.queryByText(/%/)).toBeNull()
    expect(item(/name the same thing/).queryByText('Set by you')).toBeNull()
  })

  test('a rule that was dropped is shown in words, and added back by the keyboard', async () => {
    const answer = shown()
    const date = item(/days after issued/)
    expect(date.getByText('Dropped by you')).toBeTruthy()
    expect(screen.queryByText(/date:issued/)).toBeNull()
    expect(date.queryByRole('checkbox')).toBeNull()
    const back = date.getByRole('button', { name: 'Add back: paid_on is 0 to 9 days after issued' })
    for (let i = 0; i < 5 && document.activeElement !== back; i++) await userEvent.tab()
    expect(document.activeElement).toBe(back)
    await userEvent.keyboard('{Enter}')
    expect(answer.mock.calls).toEqual([['c', { action: 'restore', rules: ['date:issued=paid_on'] }]])
    expect(screen.getAllByRole('button', { name: /^Add back/ })).toHaveLength(1)
  })

  test('while the assistant answers, and afterwards, nothing is added back', () => {
    shown({}, true)
    expect(screen.getByRole<HTMLButtonElement>('button', { name: /^Add back/ }).disabled).toBe(true)
  })

  test('a card that was answered tells what came back', () => {
    shown({ open: false, answer: { card_id: 'c', action: 'restore', rules: ['date:issued=paid_on'] } })
    expect(item(/days after issued/).getByText('Added back by you')).toBeTruthy()
    expect(screen.queryByRole('button', { name: /^Add back/ })).toBeNull()
  })
})
