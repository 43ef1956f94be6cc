package demo

import "time"

const invoiceDays = 300 // invoices are dated within this many days

// firstDay is the earliest date of any record; invoices start 20 days later.
var firstDay = time.Date(2025, time.December, 12, 0, 0, 0, 0, time.UTC)

// days holds the ISO dates by days since the first invoice date, from −20 on.
var days = func() (out [20 + invoiceDays + 200][]byte) {
	for i := range out {
		out[i] = firstDay.AddDate(0, 0, i).AppendFormat(nil, time.DateOnly)
	}
	return out
}()

func date(day int64) []byte { return days[day+20] }

var currencies = [...]string{"EUR", "USD", "GBP", "CHF", "SEK"}

// currencyOf returns the currency that a customer is invoiced in; most pay in the first.
func currencyOf(customer int64) int {
	return [...]int{0, 0, 0, 0, 1, 1, 2, 0, 3, 4}[customer%10]
}

var (
	nameFirst = [...]string{
		"Northwind", "Albatros", "Müller", "Santoro", "Blue Harbor", "Castell", "Delmar", "Eastgate", "Fjord", "Granite",
		"Hollander", "Ibsen", "Juniper", "Kestrel", "Lindqvist", "Marchetti", "Nordlicht", "Oakfield", "Pinnacle", "Quarry Hill",
		"Riverside", "Sørensen", "Thornton", "Umbra", "Vantage", "Westbrook", "Xenia", "Yarrow", "Zenith", "Brightwater", "Cormorant",
	}
	nameSecond = [...]string{
		"Logistics", "Foods", "Machinery", "Textiles", "Pharma", "Optics", "Timber", "Chemicals", "Packaging", "Energy",
		"Instruments", "Trading", "Foundry", "Ceramics", "Robotics", "Paper", "Shipping", "Motors", "Seeds",
	}
	nameForm = [...]string{"GmbH", "Ltd.", "Inc.", "S.p.A.", "AB", "& Sons, Co.", "B.V."}

	services   = [...]string{"Consulting", "Freight", "Maintenance", "License renewal", "Spare parts", "Support plan", "Rental", "Goods delivered"}
	statuses   = [...]string{"open", "open", "open", "overdue", "reminded", "disputed", "partial", "open"}
	methods    = [...]string{"transfer", "transfer", "direct debit", "card", "cheque", "transfer", "instant", "transfer"}
	banks      = [...]string{"First Mercantile", "Banca del Porto", "Rheinische Kreditbank", "Harbor & Trust", "Nordbanken", "City Savings"}
	remittance = [...]string{"CREDIT TRANSFER", "INCOMING PAYMENT", "SEPA CREDIT", "COLLECTION", "WIRE IN", "PAYMENT RECEIVED"}
)
