package eval_test

import (
	"fmt"
	"strings"
)

// Pairs of sources in which several records belong to one, or records are not told apart by a reference.

func cardSettlements() *world {
	w := newWorld("card settlements", "sales of a terminal against one line for each batch", 201, 0.99)
	w.left = newSheet("pos.csv", "sale,terminal,batch_no,sold_at,card_amount,tip")
	w.right = newSheet("acquirer.csv", "settlement,batch,settled,transactions,gross,fees,payout")
	sale := 0
	for b := range 420 {
		batch, on, n := fmt.Sprintf("T%02d-%05d", b%12, 7_000+b), b*360/420, w.between(3, 12)
		var sales []string
		total := 0
		for range n {
			sale++
			cents := w.between(250, 18_000)
			total += cents
			sales = append(sales, w.left.add(fmt.Sprintf("S%07d", sale*3), fmt.Sprintf("TRM%02d", b%12), batch, fmt.Sprintf("%s %02d:%02d:%02d", iso(on), w.between(8, 21), w.IntN(60), w.IntN(60)), plain(cents), plain(w.IntN(5)*50)))
		}
		switch {
		case w.chance(2):
			continue // not settled yet
		case w.chance(3):
			total -= w.between(500, 2_000) // a sale was charged back: does not balance
			sales = nil
		}
		fee := total*12/1000 + 90
		line := w.right.add(90_000+b*11, batch, iso(on+w.between(1, 3)), n, plain(total), plain(fee), plain(total-fee))
		for _, s := range sales {
			w.pair(s, line)
		}
	}
	return w
}

func subscriptions() *world {
	w := newWorld("subscriptions", "the same amount every month under a mandate: dates alone tell the months apart", 202, 0.99)
	w.left = newSheet("billing.csv", "bill,contract,mandate,due,fee,plan")
	w.right = newSheet("collections.csv", "collection,mandate_reference,debited,amount,status")
	prices := []int{990, 1_490, 2_990, 4_990}
	for c := range 300 {
		mandate, price, first := fmt.Sprintf("MREF%06d", 20_000+c*23), prices[w.IntN(4)], w.IntN(4)
		for m := first; m < 12; m++ {
			due := m*30 + 1
			left := w.left.add(fmt.Sprintf("B%02d-%05d", m+1, c), fmt.Sprintf("CN%05d", c), mandate, iso(due), plain(price), []string{"S", "M", "L", "XL"}[w.IntN(4)])
			if w.chance(3) {
				continue
			}
			w.pair(left, w.right.add(fmt.Sprintf("DD%07d", (c*12+m)*7), mandate, iso(due+w.between(0, 6)), plain(price), "paid"))
		}
	}
	return w
}

func splitPayments() *world {
	w := newWorld("split payments", "instalments of one invoice, and one payment for several by the number of an advice", 203, 0.99)
	w.left = newSheet("invoices.csv", "invoice_no,advice,buyer,issued,gross")
	w.right = newSheet("bank.csv", "entry_no,payer,ref,on_date,credited")
	firms := w.firms(120)
	entry, number, advice := 0, 0, 0
	invoice := func(advice, firm string, on, cents int) (string, string) {
		number++
		no := fmt.Sprintf("R%05d/25", number)
		return w.left.add(no, advice, firm, iso(on), plain(cents)), no
	}
	pay := func(firm, ref string, on, cents int) string {
		entry++
		return w.right.add(fmt.Sprintf("E-%06d", entry*9), asciiBank(firm), ref, iso(on), plain(cents))
	}
	for range 1_500 {
		firm, on, cents := w.one(firms), w.between(0, 280), w.amount()+2_000
		switch {
		case w.chance(14): // instalments
			left, no := invoice("", firm, on, cents)
			n := w.between(2, 4)
			for i, rest := 0, cents; i < n; i++ {
				part := rest
				if i < n-1 {
					part = rest * w.between(20, 60) / 100
				}
				rest -= part
				w.pair(left, pay(firm, no, on+10+i*15+w.between(0, 5), part))
			}
		case w.chance(14): // an advice
			advice++
			ref, total := fmt.Sprintf("ADV%04dK", advice), 0
			var lefts []string
			for i := range w.between(2, 5) {
				c := w.amount()
				total += c
				left, _ := invoice(ref, firm, on+i, c)
				lefts = append(lefts, left)
			}
			right := pay(firm, ref, on+w.between(14, 40), total)
			for _, l := range lefts {
				w.pair(l, right)
			}
		default:
			left, no := invoice("", firm, on, cents)
			if !w.chance(5) {
				w.pair(left, pay(firm, no, on+w.between(3, 45), cents))
			}
		}
	}
	return w
}

func duplicates() *world {
	w := newWorld("duplicates", "paid twice, and booked twice: the earlier of two equals counts", 204, 0.99)
	w.left = newSheet("claims.csv", "claim_line,claim_no,patient,service_date,approved")
	w.right = newSheet("remits.csv", "remit_id,claim,remitted,paid_amount")
	for i := range 2_000 {
		claim, on, cents := fmt.Sprintf("C%07d", 5_000_000+i*29), w.between(0, 250), w.amount()
		left := w.left.add(fmt.Sprintf("L%06d", i*2), claim, w.one(firstNames)+" "+w.one(lastNames), iso(on), plain(cents))
		twice := w.chance(4)
		if twice {
			w.left.add(fmt.Sprintf("L%06d", i*2+1), claim, w.one(firstNames)+" "+w.one(lastNames), iso(on), plain(cents))
		}
		if w.chance(5) {
			continue
		}
		paid := on + w.between(7, 30)
		w.pair(left, w.right.add(fmt.Sprintf("R%06d", i*3), claim, iso(paid), plain(cents)))
		if w.chance(5) && !twice { // paid twice
			w.right.add(fmt.Sprintf("R%06d", i*3+1), claim, iso(paid+w.between(1, 9)), plain(cents))
		}
	}
	return w
}

func missingReferences() *world {
	w := newWorld("two in five without reference", "the rest by name, amount and date", 205, 0.97)
	w.left = newSheet("open_items.csv", "item,debtor,item_date,open_amount")
	w.right = newSheet("incoming.csv", "seq,value_date,remitter,their_ref,amount")
	firms := w.firms(400)
	for i := range 2_400 {
		no, firm, on, cents := fmt.Sprintf("OI%06d", 100_000+i*7), w.one(firms), w.between(0, 300), w.amount()
		left := w.left.add(no, firm, iso(on), plain(cents))
		if w.chance(6) {
			continue
		}
		ref, name := no, asciiBank(firm)
		if w.chance(40) {
			ref = ""
		}
		if w.chance(5) {
			name = w.typo(name)
		}
		w.pair(left, w.right.add(i*3+11, iso(on+w.between(2, 30)), name, ref, plain(cents)))
	}
	for i := range 100 {
		w.right.add(900_000+i, iso(w.between(0, 300)), asciiBank(w.one(firms)), "", plain(w.amount()))
	}
	return w
}

func onlyNames() *world {
	w := newWorld("names, amounts and dates only", "accents, legal forms, capitals, a few typing errors", 206, 0.95)
	w.left = newSheet("creditors.csv", "voucher,supplier,due_on,payable")
	w.right = newSheet("outgoing.csv", "transfer,executed,beneficiary,debit")
	firms := w.firms(350)
	for i := range 2_200 {
		firm, on, cents := w.one(firms), w.between(0, 320), w.amount()
		left := w.left.add(fmt.Sprintf("V%05d", i*4), firm, iso(on), plain(cents))
		if w.chance(7) {
			continue
		}
		name := asciiBank(firm)
		switch {
		case w.chance(10): // without the legal form
			words := strings.Fields(firm)
			name = asciiBank(strings.Join(words[:len(words)-1], " "))
		case w.chance(6):
			name = w.typo(name)
		}
		w.pair(left, w.right.add(fmt.Sprintf("X%06d", 300_000-i*13), iso(on+w.between(-3, 6)), name, plain(cents)))
	}
	for i := range 150 {
		w.right.add(fmt.Sprintf("X%06d", 900_000+i), iso(w.between(0, 320)), asciiBank(w.one(firms)), plain(w.amount()))
	}
	return w
}

func rents() *world {
	w := newWorld("rents without reference", "tenants by name, the same rent every month, in European writing", 207, 0.95)
	w.left = newSheet("rent_roll.csv", "position,tenant,due_date,rent")
	w.right = newSheet("umsaetze.csv", "Umsatz,Wertstellung,Auftraggeber,Betrag")
	w.right.comma = ';'
	seen := map[string]bool{}
	for p := 0; p < 240; {
		given, surname := w.one(firstNames), w.one(lastNames)
		if seen[given+surname] {
			continue
		}
		seen[given+surname] = true
		rent := w.between(12, 48) * 2_500
		for m := range 10 {
			due := m*30 + 2
			left := w.left.add(fmt.Sprintf("P%03d/%02d", p, m+1), given+" "+surname, iso(due), plain(rent))
			if w.chance(4) {
				continue
			}
			name := strings.ToUpper(fold.Replace(given + " " + surname))
			if p%3 == 0 {
				name = strings.ToUpper(fold.Replace(surname + ", " + given))
			}
			w.pair(left, w.right.add(20_000+(p*10+m)*3, european(due+w.between(-4, 5)), name, comma(rent)))
		}
		p++
	}
	return w
}
