package corpus_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
)

// leak is one way in which data leaks: forms with {S} for a secret, {P} for a password with signs, {I} for an address, {C} for a card, {T}
// for a short token, {B} for base64, {J} for a JWT in base64.
type leak struct {
	name  string
	key   string
	forms []string
}

var leaks = []leak{
	{name: "Java host/address", forms: []string{"dial host/{I} refused", "peer db1.example.com/{I} closed", "connect to localhost/{I} failed"}},
	{name: "address in a path", forms: []string{"GET /ban/{I} HTTP/1.1", "POST /api/v1/block/{I}/now", "curl http://fw.internal/ban/{I}"}},
	{name: "address on a line with version words", forms: []string{"build finished on {I} in 3s", "driver 31.0 loaded from {I}", "client {I} uses rev 3", "release uploaded by {I}, package ok", "the upgrade was started by {I}"}},
	{name: "address in a reversed name", forms: []string{"PTR {D}.rev.example.net", "from {D}.rev.poneytelecom.eu port 22", "query {R}.in-addr.arpa"}},
	{name: "password for an owner", forms: []string{"Password for user root is {S}", "password for bob: {S}", "The password for user 'app' is {S}.", "password for db_user = {S}", "password of user admin is {S}", "new password for alice: {P}"}},
	{name: "password changed", forms: []string{"password changed from {S} to {S}", "password was changed from {S} to {S} by admin", "password reset to {S}", "password has been set to {S}"}},
	{name: "setProperty", forms: []string{`System.setProperty("db.password", "{P}")`, `props.put("apiKey","{S}")`, `setenv("DB_PASSWORD", "{P}", 1);`, `os.Setenv("API_TOKEN", "{S}")`, `config.set('client_secret', '{S}')`,
		`builder.header("X-Api-Key", "{S}")`, `{"log":"setProperty(\"db.password\", \"{S}\")"}`, `conf.setString("spring.datasource.password" , "{P}")`}},
	{name: "typed variable", forms: []string{`var password string = "{P}"`, `let apiKey: String = "{S}"`, `const clientSecret: string = '{S}';`, `val dbPassword: String = "{P}"`, `char *password = "{S}";`, `char password[] = "{S}";`, `private_key: &str = "{S}"`, `String password = "{P}";`}},
	{name: "make and shell", forms: []string{`DB_PASSWORD ?= "{P}"`, `PASSWORD ?= {S}`, `api_key := "{S}"`, `self.password ||= "{S}"`, `export DB_PASSWORD="{P}"`, `set PASSWORD={S}`}},
	{name: "element over lines", forms: []string{"<password>\n  {S}\n</password>", "<password>{S}\n</password>", "<ns:apiKey>\n\t\t{S}\n\t</ns:apiKey>", "<password><![CDATA[{S}]]></password>"}},
	{name: "SQL columns", forms: []string{"INSERT INTO u (email,password) VALUES ('x','{P}')", "INSERT INTO users (id, name, passwd) VALUES (7, 'bob', '{S}'), (8, 'al', '{S}');", "insert into `accounts` (`login`, `api_key`, `age`) values ('a', '{S}', 3)", "REPLACE INTO t (password) VALUES ('{P}')"}},
	{name: "signs in a value", forms: []string{"password={P} host=h", "password={P}", "passwd = {P};", "PASSWORD: {P}\nuser: x", "--password={P} --x", `pwd="{P}"`}},
	{name: "redis", forms: []string{"redis AUTH {S}", "redis-cli: AUTH default {S}", `1763632800.1 [0 10.0.0.1:5] "AUTH" "{S}"`, "sent to redis: AUTH {S}"}},
	{name: "colours", forms: []string{"password=\x1b[31m{S}\x1b[0m user", "\x1b[36mpassword\x1b[0m={S} x=1", `api_key: \u001b[33m{S}\u001b[0m`, "\x1b[1;34mdb_password\x1b[0m: \x1b[32m{S}\x1b[0m"}},
	{name: "CSV header", forms: []string{"user,password,role\nbob,{S},admin\nann,{S},dev\n", "id;api_key\n1;{S}\n2;{S}", "name\tpasswd\tage\nx\t{S}\t3", `"login","password"` + "\n" + `"bob","{S}"`}},
	{name: "table header", forms: []string{"| user | password |\n|------|----------|\n| bob | {S} |\n", " id | password | name\n----+----------+------\n  1 | {S} | bob\n"}},
	{name: "manifest of a Secret", forms: []string{"apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  user: {B}\n  x.y: {B}\ntype: Opaque\n", "apiVersion: v1\ndata:\n  conf: {B}\nkind: Secret\nmetadata:\n  name: x\n",
		`{"apiVersion":"v1","kind":"Secret","data":{"a":"{B}","b":"{B}"}}`, "kind: Secret\nstringData:\n  dsn: {S}\n"}},
	{name: "encoded card", forms: []string{"POST /pay card_number={C+}&x=1", "GET /pay?card={C%20} HTTP/1.1", "body=card%5Bnumber%5D={C+}&cvc=1"}},
	{name: "encoded mail", forms: []string{`{"mail":"{M\u0040}"}`, "GET /u?mail={M%2540}&x=1", "<td>{M&#64;}</td>", "x {M&#x40;} y"}},
	{name: "encoded pair", forms: []string{"POST /log?body=%7B%22password%22%3A%20%22{S}%22%7D", "q=%22api_key%22%3A%22{S}%22", "d=%7B%22password%22:+%22x%22,%22client_secret%22%3A+%22{S}%22", "&quot;password&quot;:&quot;{S}&quot;", `\u0022password\u0022:\u0022{S}\u0022`}},
	{name: "short token of a query", key: "url.query", forms: []string{"token={T}", "a=1&token={T}&b=2", "access_token={T}", "sig={T}&x=1"}},
	{name: "JWT inside of base64", forms: []string{"session {J} ok", `{"blob":"{J}"}`, "x-data={J};"}},
	{name: "full-width digits", forms: []string{"カード {F} 決済", "card {F} ok", "電話：{G}"}},
	{name: "characters without width", forms: []string{"mail {Z} now", "from {Y} port 22"}},
	{name: "wrapped lines", forms: []string{"To: {W}\n", "password={V}\n"}},
	{name: "pin", forms: []string{"pin={N}", `{"pin":"{N}"}`, "card pin: {N}", "user_pin={N}", "your PIN: {N}"}},
	{name: "attribute of another spelling", forms: []string{`dbPassword="{S}"`, "db-password={S}", "db.password: {S}", "DB_PASSWORD={S}", `"db_password": "{S}"`, `{\"dbPassword\":\"{S}\"}`, "%22dbPassword%22%3A%22{S}%22", `'db-password' => '{S}'`, "Db Password: {S}"}},
}

func fullWidth(s string) string {
	return strings.Map(func(r rune) rune { return r - '!' + 0xFF01 }, s)
}

type maker struct{ *rand.Rand }

func (m maker) from(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[m.IntN(len(alphabet))]
	}
	return string(b)
}

const letters = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"

// secret is a password of letters and digits, at least one of each kind.
func (m maker) secret() string {
	return m.from(letters, 4) + m.from("0123456789", 2) + m.from(letters+"0123456789", 2+m.IntN(12)) + m.from("0123456789", 1) + m.from(letters, 2)
}

// signed is one with signs that have a meaning in other grammars, except quotes and blanks.
func (m maker) signed() string {
	return m.from(letters, 2) + m.from("(!#%^*+~@{[?-_.:>$", 1+m.IntN(2)) + m.from(letters+"0123456789", 4) + m.from("!#%^*+~@)]}>$-_.", 1+m.IntN(2)) + m.from("0123456789", 2) + m.from(letters, 2)
}

func (m maker) address() (a, b, c, d int) {
	return []int{5, 31, 62, 77, 81, 85, 93, 151, 185, 193, 212}[m.IntN(11)], m.IntN(256), m.IntN(256), 1 + m.IntN(254)
}

func (m maker) card() string {
	s := "4" + m.from("0123456789", 14)
	for c := range 10 {
		if sum := luhnSum(s + fmt.Sprint(c)); sum%10 == 0 {
			return s + fmt.Sprint(c)
		}
	}
	return ""
}

func luhnSum(s string) (sum int) {
	for i := range s {
		v := int(s[len(s)-1-i] - '0')
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum
}

// fill replaces the places of a form and returns the values that must be removed.
func (m maker) fill(form string) (text string, gone []string) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(form, "{")
		b.WriteString(before)
		if !found {
			return b.String(), gone
		}
		place, after, closed := strings.Cut(rest, "}")
		v := ""
		kind, arg := "", ""
		if closed && place != "" {
			kind, arg = place[:1], place[1:]
		}
		w, x, y, z := m.address()
		switch {
		case kind == "S" && arg == "":
			v = m.secret()
		case kind == "P" && arg == "":
			v = m.signed()
		case kind == "T" && arg == "":
			v = m.from(letters+"0123456789", 3+m.IntN(4))
		case kind == "N" && arg == "":
			v = m.from("0123456789", 4+m.IntN(3))
		case kind == "B" && arg == "":
			v = base64.StdEncoding.EncodeToString([]byte(m.secret()))
		case kind == "I" && arg == "":
			v = fmt.Sprintf("%d.%d.%d.%d", w, x, y, z)
		case kind == "D" && arg == "":
			v = fmt.Sprintf("%d-%d-%d-%d", w, x, y, z)
		case kind == "R" && arg == "":
			v = fmt.Sprintf("%d.%d.%d.%d", z, y, x, w)
		case kind == "C" && (arg == "+" || arg == "%20"):
			c := m.card()
			v = c[:4] + arg + c[4:8] + arg + c[8:12] + arg + c[12:]
		case kind == "M" && arg != "":
			v = strings.ToLower(m.from(letters, 6)) + arg + strings.ToLower(m.from(letters, 5)) + ".com"
		case kind == "F" && arg == "":
			v = fullWidth(m.card())
		case kind == "G" && arg == "":
			v = fullWidth("090-1234-5" + m.from("0123456789", 3))
		case kind == "Z" && arg == "":
			v = strings.ToLower(m.from(letters, 4)) + "\u200b" + strings.ToLower(m.from(letters, 3)) + "@\u200dexample.com"
		case kind == "Y" && arg == "":
			v = fmt.Sprintf("%d.\u200b%d.%d.\ufeff%d", w, x, y, z)
		case kind == "W" && arg == "":
			v = strings.ToLower(m.from(letters, 6)) + "@exam=\nple.com"
		case kind == "V" && arg == "":
			v = m.secret() + "\\\n" + m.secret()
		case kind == "J" && arg == "":
			token := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"`+m.secret()+`"}`)) + "." + m.from(letters, 43)
			v = base64.StdEncoding.EncodeToString([]byte(token))
		default:
			b.WriteString("{")
			form = rest
			continue
		}
		gone = append(gone, v)
		b.WriteString(v)
		form = after
	}
}

// Values that leak in everyday carriers are removed: at least 95 of 100 values of each.
func TestLeaks(t *testing.T) {
	s := scanner()
	for _, l := range leaks {
		m := maker{rand.New(rand.NewPCG(7, 11))}
		found, all := 0, 0
		missed := ""
		for k := range 150 * len(l.forms) {
			text, gone := m.fill(l.forms[k%len(l.forms)])
			left := text
			spans := s.Scan(nil, l.key, text)
			for i := len(spans) - 1; i >= 0; i-- {
				left = left[:spans[i].Start] + "[]" + left[spans[i].End:]
			}
			for _, v := range gone {
				if all++; strings.Contains(left, v) || strings.Contains(text, v) && strings.Contains(left, v[len(v)/2:]) && len(v) > 5 {
					missed = text
					continue
				}
				found++
			}
		}
		assert.GreaterOrEqual(t, float64(found)/float64(all), 0.95, "%s, such as %q", l.name, missed)
		if *rates {
			t.Logf("%7.3f %%  %s %q", 100*float64(found)/float64(all), l.name, missed)
		}
	}
}

// Prefixes of vendors that scanners of secrets know: each is found in text, in a pair and in JSON.
func TestPrefixes(t *testing.T) {
	s := scanner()
	m := maker{rand.New(rand.NewPCG(3, 5))}
	const upper, hexa, all = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdef", letters + "0123456789"
	for name, make := range map[string]func() (string, detect.Kind){
		"aws": func() (string, detect.Kind) {
			return []string{"ABIA", "ACCA", "AKIA", "ASIA"}[m.IntN(4)] + m.from(upper, 16), detect.AWSKey
		},
		"aws a3t":     func() (string, detect.Kind) { return "A3TX" + m.from(upper, 14) + "27", detect.AWSKey },
		"sourcegraph": func() (string, detect.Kind) { return "sgp_" + m.from(hexa, 40), detect.VendorToken },
		"sourcegraph long": func() (string, detect.Kind) {
			return "sgp_" + m.from(hexa, 16) + "_" + m.from(hexa, 40), detect.VendorToken
		},
		"hugging face org": func() (string, detect.Kind) { return "api_org_" + m.from(letters, 34), detect.VendorToken },
		"sonar":            func() (string, detect.Kind) { return "squ_" + m.from(hexa, 40), detect.VendorToken },
		"easypost":         func() (string, detect.Kind) { return "EZAK" + m.from(all, 54), detect.VendorToken },
		"artifactory":      func() (string, detect.Kind) { return "AKCp8" + m.from(all, 68), detect.VendorToken },
		"artifactory ref":  func() (string, detect.Kind) { return "cmVmdGtu" + m.from(all, 56), detect.VendorToken },
		"1password": func() (string, detect.Kind) {
			return "A3-" + m.from(upper, 5) + "7-" + m.from(upper, 11) + "-" + m.from(upper, 5) + "-" + m.from(upper, 5) + "-" + m.from(upper, 5), detect.VendorToken
		},
		"alibaba": func() (string, detect.Kind) { return "LTAI" + m.from(all, 17) + "5tB", detect.VendorToken },
		"discord bot": func() (string, detect.Kind) {
			return "MTk4NjIyNDgzNDcxOTI1MjQ4." + m.from(all, 6) + "." + m.from(all, 27), detect.VendorToken
		},
		"discord hook": func() (string, detect.Kind) {
			return "discord.com/api/webhooks/" + m.from("123456789", 18) + "/" + m.from(all, 68), detect.VendorToken
		},
		"slack workflow": func() (string, detect.Kind) {
			return "hooks.slack.com/workflows/T" + m.from(upper, 8) + "/A" + m.from(upper, 8) + "/" + m.from("123456789", 18) + "/" + m.from(all, 24), detect.SlackToken
		},
		"teams": func() (string, detect.Kind) {
			return "webhook.office.com/webhookb2/" + uuid(m) + "@" + uuid(m) + "/IncomingWebhook/" + m.from(hexa, 32) + "/" + uuid(m), detect.VendorToken
		},
		"gitlab runner": func() (string, detect.Kind) { return "GR1348941" + m.from(all, 20), detect.GitLabToken },
		"twilio":        func() (string, detect.Kind) { return "SK" + m.from(hexa, 28) + "a123", detect.VendorToken },
		"mailchimp": func() (string, detect.Kind) {
			return m.from(hexa, 31) + "a-us" + m.from("123456789", 1), detect.VendorToken
		},
		"anthropic": func() (string, detect.Kind) {
			return "sk-ant-api03-" + m.from(all, 80) + "77" + m.from(all, 13) + "AA", detect.AnthropicKey
		},
		"doppler": func() (string, detect.Kind) { return "dp.pt." + m.from(all, 43), detect.VendorToken },
		"dynatrace": func() (string, detect.Kind) {
			return "dt0c01." + m.from(upper, 24) + "." + m.from(upper, 64), detect.VendorToken
		},
		"sendinblue": func() (string, detect.Kind) {
			return "xkeysib-" + m.from(hexa, 64) + "-" + m.from(all, 16), detect.VendorToken
		},
		"figma":     func() (string, detect.Kind) { return "figd_" + m.from(all, 40), detect.VendorToken },
		"replicate": func() (string, detect.Kind) { return "r8_" + m.from(all, 37), detect.VendorToken },
		"pulumi":    func() (string, detect.Kind) { return "pul-" + m.from(hexa, 40), detect.VendorToken },
		"plaid":     func() (string, detect.Kind) { return "access-production-" + uuid(m), detect.VendorToken },
	} {
		found, n := 0, 0
		missed := ""
		for range 50 {
			v, kind := make()
			for _, form := range []string{"used %s for it", "X=%s", `{"a":"%s"}`, "https://%s"} {
				n++
				text := fmt.Sprintf(form, v)
				if spans := s.Scan(nil, "", text); len(spans) == 1 && spans[0].Kind == kind && strings.Contains(text[spans[0].Start:spans[0].End], v) {
					found++
				} else {
					missed = text
				}
			}
		}
		assert.GreaterOrEqual(t, float64(found)/float64(n), 0.95, "%s, such as %q", name, missed)
	}
}

func uuid(m maker) string {
	const hexa = "0123456789abcdef"
	return m.from(hexa, 8) + "-" + m.from(hexa, 4) + "-4" + m.from(hexa, 3) + "-a" + m.from(hexa, 3) + "-" + m.from(hexa, 12)
}
