import { useEffect, useId, useState, type KeyboardEvent } from 'react'

/**
 * The keyboard of a list beside a text field: arrows, Home, End and Enter act on
 * the list while the focus stays in the field. Give `input` to the field, `list`
 * to the list and `option(i)` to each entry.
 */
export function useListbox(length: number, choose: (index: number) => void) {
  const id = useId()
  const [wanted, setActive] = useState(0)
  const active = Math.min(wanted, length - 1)

  useEffect(() => {
    document.getElementById(`${id}-${active}`)?.scrollIntoView({ block: 'nearest' })
  }, [id, active])

  function onKeyDown(event: KeyboardEvent) {
    if (event.nativeEvent.isComposing) return
    const moves: Record<string, number> = {
      ArrowDown: active + 1 < length ? active + 1 : 0,
      ArrowUp: active > 0 ? active - 1 : length - 1,
      PageDown: Math.min(active + 8, length - 1),
      PageUp: Math.max(active - 8, 0),
    }
    const next = moves[event.key]
    if (next !== undefined && length > 0) {
      event.preventDefault()
      setActive(next)
    } else if (event.key === 'Enter' && active >= 0) {
      event.preventDefault()
      choose(active)
    }
  }

  return {
    active,
    setActive,
    input: {
      role: 'combobox' as const,
      'aria-autocomplete': 'list' as const,
      'aria-expanded': length > 0,
      'aria-controls': `${id}-list`,
      'aria-activedescendant': active >= 0 ? `${id}-${active}` : undefined,
      onKeyDown,
    },
    list: { id: `${id}-list`, role: 'listbox' as const },
    option: (index: number) => ({
      id: `${id}-${index}`,
      role: 'option' as const,
      'aria-selected': index === active,
      onPointerMove: () => setActive(index),
      onClick: () => choose(index),
    }),
  }
}
