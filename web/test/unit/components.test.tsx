import { add } from '@/lib/decimal'
import type { Filter } from '@/lib/filters'
import { Proof } from '@/charts/proof'
import { ReasonBars } from '@/charts/bars'
import { Field } from '@/ui/field'
import { FileDrop, type Upload } from '@/ui/file-drop'
import { FilterChips } from '@/ui/filter-chips'
import { Input } from '@/ui/input'
import { TooltipProvider } from '@/ui/tooltip'
import { Money } from '@/ui/values'
import { render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { useState } from 'react'
import { describe, expect, test, vi } from 'vitest'

describe('components', () => {
  test('money of any size keeps every digit', () => {
    render(<Money value="90071992547409931234.05" currency="EUR" />)
    expect(screen.getByTitle(/EUR/).textContent.replace(/\D/g, '')).toBe('9007199254740993123405')
  })

  test('a field names its control, its hint and its error', () => {
    render(
      <Field label="Alias" hint="How recipes call it." error="It is taken.">
        <Input />
      </Field>,
    )
    const input = screen.getByRole('textbox', { name: 'Alias' })
    expect(input.getAttribute('aria-invalid')).toBe('true')
    const about = input.getAttribute('aria-describedby')?.split(' ') ?? []
    expect(about.map((id) => document.getElementById(id)?.textContent)).toEqual([
      'How recipes call it.',
      'It is taken.',
    ])
  })

  test('a filter is added, refused while it is wrong, and removed', async () => {
    const Chips = () => {
      const [filters, setFilters] = useState<Filter[]>([])
      return (
        <>
          <FilterChips
            filters={filters}
            onChange={setFilters}
            columns={[{ id: 'amount', label: 'Amount', kind: 'number' }]}
          />
          <output>{JSON.stringify(filters)}</output>
        </>
      )
    }
    render(<Chips />)
    const made = () => screen.getByText(/^\[/, { selector: 'output' }).textContent
    await userEvent.click(screen.getByRole('button', { name: 'Filter' }))
    await userEvent.click(screen.getByRole('button', { name: 'Column' }))
    await userEvent.type(screen.getByRole('combobox', { name: /Search/ }), 'amo{Enter}')
    await userEvent.type(screen.getByRole('textbox', { name: 'Value' }), '1,5{Enter}')
    expect(screen.getByRole('alert').textContent).toContain('1234.50')
    expect(made()).toBe('[]')
    await userEvent.clear(screen.getByRole('textbox', { name: 'Value' }))
    await userEvent.type(screen.getByRole('textbox', { name: 'Value' }), '1.50{Enter}')
    expect(made()).toBe('[{"column":"amount","op":"eq","values":["1.50"]}]')
    await userEvent.click(screen.getByRole('button', { name: /Remove the filter Amount is/ }))
    expect(made()).toBe('[]')
  })

  test('an upload can be cancelled, and one that failed tried again', async () => {
    const asked: { name: string; signal: AbortSignal; fail: (cause: Error) => void; done: () => void }[] = []
    const upload: Upload = (file, _, signal) =>
      new Promise((resolve, reject) => asked.push({ name: file.name, signal, fail: reject, done: resolve }))
    render(
      <TooltipProvider>
        <FileDrop upload={upload} limit={10} multiple />
      </TooltipProvider>,
    )
    const files = ['a.csv', 'b.csv'].map((name) => new File(['x'], name))
    await userEvent.upload(screen.getByLabelText(/Drop files here/), [...files, new File(['more than ten'], 'big.csv')])
    expect(asked.map((a) => a.name)).toEqual(['a.csv', 'b.csv'])
    expect(screen.getByText(/at most 10 B/)).toBeTruthy()
    await userEvent.click(screen.getByRole('button', { name: 'Cancel a.csv' }))
    expect(asked[0]?.signal.aborted).toBe(true)
    expect(screen.queryByText('a.csv')).toBeNull()
    await userEvent.click(screen.getByRole('button', { name: 'Remove big.csv' }))
    asked[1]?.fail(new Error('Line 12 has 7 fields.'))
    expect(await screen.findByText('Line 12 has 7 fields.')).toBeTruthy()
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }))
    asked[2]?.done()
    expect(await screen.findByLabelText('Uploaded')).toBeTruthy()
  })

  test('the proof adds up by itself, and says when it does not', () => {
    const side = (unmatched: string) => ({
      alias: 'bank',
      total: 3,
      matched: 2,
      unmatched: 1,
      sums: { amount: { total: '0.3', matched: '0.1', unmatched } },
    })
    expect(add('0.1', '0.2')).toBe('0.3')
    const right = render(<Proof left={side('0.20')} right={side('0.2')} />)
    expect(screen.getByText('Adds up')).toBeTruthy()
    right.unmount()
    render(<Proof left={side('0.2')} right={side('0.21')} />)
    expect(screen.getByText('Does not add up')).toBeTruthy()
  })

  test('reasons are ways to their records, and have a table', async () => {
    const pick = vi.fn()
    render(
      <ReasonBars
        side="invoices"
        onPick={pick}
        reasons={[
          { reason: 'taken', count: 1 },
          { reason: 'amount_differs', count: 3 },
          { reason: 'a_new_one', count: 2 },
        ]}
      />,
    )
    const [first] = screen.getAllByRole('button', { name: /Amount differs|taken|a new one/ })
    if (first) await userEvent.click(first)
    expect(pick).toHaveBeenCalledWith('amount_differs')
    await userEvent.click(screen.getByRole('button', { name: 'Table' }))
    expect(screen.getAllByRole('row').map((row) => row.textContent)).toEqual([
      'ReasonRecordsShare',
      'Amount differs350.00%',
      'a new one233.33%',
      'Best candidate was taken116.66%',
    ])
  })
})
