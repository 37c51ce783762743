package file

import "time"

// time reads an RFC 3339 time in UTC ("Z") of the years 1970 to 2199, in unix nanoseconds. All others are left to
// time.Time.
func (s *scanner) time() (int64, bool) {
	v, ok := s.text()
	if !ok || len(v) < 20 || len(v) > 30 || v[len(v)-1] != 'Z' {
		return 0, false
	}
	if !punctuated(v) {
		return 0, false
	}
	day, ok := days(number(v[0:4]), number(v[5:7]), number(v[8:10]))
	if !ok {
		return 0, false
	}
	hour, minute, second := number(v[11:13]), number(v[14:16]), number(v[17:19])
	if !between(hour, 0, 23) || !between(minute, 0, 59) || !between(second, 0, 59) {
		return 0, false
	}
	nanos, ok := fraction(v[19 : len(v)-1])
	seconds := day*86400 + int64(hour*3600+minute*60+second)
	return seconds*int64(time.Second) + nanos, ok && (seconds != 0 || nanos != 0) // 0 stands for no time
}

func punctuated(v []byte) bool {
	return v[4] == '-' && v[7] == '-' && v[10] == 'T' && v[13] == ':' && v[16] == ':'
}

// days counts the days since 1970-01-01 where the date is one.
func days(year, month, day int) (int64, bool) {
	if !between(year, 1970, 2199) || !between(month, 1, 12) || !between(day, 1, daysIn(month, year)) {
		return 0, false
	}
	return daysBefore(year, month, day), true
}

func between(n, low, high int) bool { return n >= low && n <= high }

func number(b []byte) int {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// fraction reads "" or a point and one to nine digits.
func fraction(b []byte) (int64, bool) {
	if len(b) == 0 {
		return 0, true
	}
	if b[0] != '.' || len(b) < 2 || len(b) > 10 {
		return 0, false
	}
	n := int64(number(b[1:]))
	if n < 0 {
		return 0, false
	}
	for i := len(b); i < 10; i++ {
		n *= 10
	}
	return n, true
}

func daysIn(month, year int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysBefore counts the days since 1970-01-01, after Howard Hinnant's days_from_civil.
func daysBefore(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	yearOfEra := year - era*400
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	return int64(era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468)
}
