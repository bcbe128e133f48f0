package detect_test

import (
	"fmt"
	"testing"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
	"github.com/stretchr/testify/assert"
)

func scanner() *detect.Scanner {
	return detect.New(detect.Options{Detectors: detect.Precise, Regions: []string{"US", "GB", "DE", "FR"}})
}

// The finding is between « and »; a case without these has none.
func TestScan(t *testing.T) {
	s := scanner()
	for _, c := range cases {
		text, want := unmark(c.text)
		var got []string
		for _, sp := range s.Scan(nil, c.key, text) {
			got = append(got, sp.Kind.String()+" "+text[sp.Start:sp.End])
		}
		var expected []string
		for _, w := range want {
			expected = append(expected, c.kind+" "+w)
		}
		assert.Equal(t, expected, got, "%s: %s", c.key, text)
	}
}

func unmark(s string) (text string, want []string) {
	from := 0
	var b []byte
	for i, r := range s {
		switch r {
		case '«':
			from = len(b)
		case '»':
			want = append(want, string(b[from:]))
		default:
			b = append(b, string(r)...)
		}
		_ = i
	}
	return string(b), want
}

var cases = []struct{ kind, text, key string }{
	{kind: "email", text: "mail from «jane.doe+tag@example.co.uk», ok"},
	{kind: "email", text: `{"to":"«o'brien@mail.example.com»"}`},
	{kind: "email", text: `name='«bob@example.com»'`},
	{kind: "email", text: `«"john doe"@example.com» wrote`},
	{kind: "email", text: "?u=«ann%40example.org»&x=1"},
	{kind: "email", text: "?q=a%3D«ann%40example.org»"},
	{kind: "email", text: "«用户@例え.テスト»"},
	{kind: "email", text: "邮箱：«li@example.cn»。"},
	{kind: "email", text: "«x@xn--bcher-kva.example»."},
	{kind: "email", text: "mailto:«a@b.io»?subject=x"},
	{kind: "email", text: "«u@[IPv6:2a02:8109:9a80::1]»"},
	{kind: "password", text: "password=[«REDACTED:hunter2XyzAbc»]"},
	{text: "password=[REDACTED:password] password=[REDACTED:us_ssn]"},
	{kind: "email", text: "event=«eyJlbWFpbCI6ImFubmFAZXhhbXBsZS5jb20iLCJpZCI6NDJ9», next"},
	{kind: "password", text: `{"body":"«eyJ1c2VyIjoiYm9iIiwicGFzc3dvcmQiOiJodW50ZXIyIn0=»"}`},
	{text: "nextToken=eyJ2IjoyLCJ0IjoiZm9vIiwib2Zmc2V0IjoxMjM0NTY3ODkwMTIzfQ== cursor: eyJpZCI6Imludm9pY2VfOTkxIiwidHMiOjE3MDAwMDAwMDB9"},
	{text: "allow: ['authorization', 'content-type', 'x-api-key', 'x-request-id', 'cookie', 'set-cookie', 'x-csrf-token', 'x-b3-traceid']"},
	{text: `fields: ["id", "password", "email2", "api_key", "created_at1"]`},
	{text: "icon@2x.png getty@tty1.service @babel/core@7.0.0 git@github.com:org/repo.git a@b @x.com user@host"},
	{text: "sha256@abc.invalid me@k1.tok.invalid"},
	{kind: "payment_card", text: "card «4111 1111 1111 1111» ok"},
	{kind: "payment_card", text: "credit «4111-1111-1111-1111»"},
	{text: "4111-1111-1111-1111"},
	{kind: "payment_card", text: "amex «3782 822463 10005»"},
	{text: "3782 822463 10005, visa 3782 822463 10005"},
	{kind: "payment_card", text: "PAN «378282246310005»"},
	{text: "| password | varchar(255) | NO | | NULL | |\n| user_token | decimal(10,2) | YES |"},
	{text: " api_key | varchar(255)"},
	{kind: "password", text: "| password | «Varchar(25x)» |"},
	{text: "Passwort für bob: ungültig; пароль для bob: неверен; пароль для пользователя bob: сброшен; contraseña de ana: inválida"},
	{text: "docker run --name mysql -p3306:3306 -p127.0.0.1:3306:3306 mysql:8"},
	{text: `args: ["docker","run","--name","mysql","-p3306:3306","mysql:8"]`},
	{kind: "payment_card", text: "amex «3714 49635 398431», card «37144963 5398431»"},
	{kind: "payment_card", text: "diners card «30569309 025904»"},
	{text: "3714 49635 398431 37144963 5398431 30569309 025904"},
	{text: "378282246310005 pan 378282246310005"},
	{kind: "payment_card", text: "id=42,card,«5555555555554444»,99"},
	{text: "id=42,5555555555554444,99"},
	{kind: "payment_card", text: "12345 «4111 1111 1111 1111» 789 card"},
	{text: "payment 12345 4111 1111 1111 1111 789"},
	{kind: "payment_card", text: "refund to «4111.1111.1111.1111»;"},
	{kind: "payment_card", text: "payment with «6011000990139424»."},
	{kind: "payment_card", text: "|«4242424242424242»|12|2027|"},
	{text: "|4242424242424242|2024|"},
	{kind: "payment_card", text: "«4242424242424242»", key: "card_number"},
	{text: "4242424242424242", key: "message"},
	{text: "4242424242424242", key: "card_ref"},
	{text: "order 4242424242424242"},
	{text: "4242424242424242", key: "order_id"},
	{text: "span_id=4242424242424242 trace_id: 4242424242424242"},
	{text: "0.4242424242424242 4242424242424242.5 a4242424242424242 4242424242424243"},
	{text: "550e8400-e29b-41d4-a716-446655440000 1700000000000 1700000000000000000 20240115123045"},
	{kind: "iban", text: "IBAN «DE89 3704 0044 0532 0130 00»,"},
	{kind: "iban", text: "«GB82WEST12345698765432»"},
	{kind: "iban", text: "«de89370400440532013000»"},
	{kind: "iban", text: "«FR14-2004-1010-0505-0001-3M02-606»"},
	{text: "DE89370400440532013001 GB82WEST1234569876543"},
	{kind: "us_ssn", text: "ssn «536-90-4399»."},
	{kind: "us_ssn", text: "«536904399»", key: "user.ssn"},
	{kind: "us_ssn", text: "social security number 536-90-4399"[:0] + "SSN: «536 90 4399»"},
	{text: "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000 536904399"},
	{kind: "uk_nhs", text: "NHS «943 476 5919»"},
	{kind: "uk_nhs", text: "patient nhs no «9434765919»"},
	{kind: "de_tax_id", text: "Steuer-ID: «86095742719»"},
	{kind: "de_tax_id", text: "IdNr. «86 095 742 719»"},
	{text: "86 095 742 719"},
	{kind: "fr_nir", text: "«2 69 05 49 588 157 80»"},
	{kind: "es_dni", text: "DNI «12345678Z»"},
	{kind: "it_fiscal_code", text: "CF: «RSSMRA85T10A562S»"},
	{text: "CF RSSMRA85T10A562S RSSMRA85T10A562S"},
	{kind: "br_cpf", text: "CPF «529.982.247-25»"},
	{text: "529.982.247-25"},
	{kind: "ch_ahv", text: "«756.9217.0769.85»"},
	{kind: "be_nrn", text: "NISS «85.07.30-033.28»"},
	{text: "85.07.30-033.28"},
	{kind: "pl_pesel", text: "PESEL «44051401359»"},
	{kind: "se_personnummer", text: "personnummer «811218-9876»"},
	{text: "811218-9876 19811218-9876"},
	{kind: "fi_hetu", text: "hetu «131052-308T»"},
	{text: "131052-308T 131052A308T"},
	{kind: "in_aadhaar", text: "aadhaar «2341 2341 2346»"},
	{kind: "cn_resident_id", text: "身份证 «11010519491231002X»"},
	{text: "11010519491231002X"},
	{kind: "sg_nric", text: "NRIC «S1234567D»"},
	{text: "S1234567D"},
	{kind: "nl_bsn", text: "BSN «111222333»"},
	{kind: "ca_sin", text: "SIN: «130 692 544»"},
	{text: "SIN 130 692 544"},
	{kind: "phone", text: "call «+14155552671» now"},
	{kind: "phone", text: "«+44 20 7946 0958»"},
	{kind: "phone", text: "«+49 (0)30 901820»"},
	{kind: "phone", text: "«(415) 555-2671»"},
	{kind: "phone", text: "«415-555-2671 ext. 12»"},
	{kind: "phone", text: "tel: «030 901820»"},
	{kind: "phone", text: "tél. «06 12 34 56 78»"},
	{text: "06 12 34 56 78"},
	{kind: "phone", text: "«4155552671»", key: "customer.phone"},
	{kind: "phone", text: "mobile «07700 900123»"},
	{text: "07700 900123 1-800-555-0199 0049 30 901820"},
	{kind: "phone", text: "to=%2B14155552671"[:3] + "«%2B14155552671»"},
	{text: "+4155552671415555267141555526714155552671 (+41555526714155552671) 00415555267141555526714155552671 (415555267141555526714) 5"},
	{text: "1700000000 4155552671 12345678 2024-01-15 10:11:12 v1.2.3 00 01 02 03 04 05"},
	{kind: "ipv4", text: "from «8.8.4.4»:53"},
	{kind: "ipv4", text: "host/«81.2.69.142»:443"},
	{kind: "ipv4", text: "http://«81.2.69.142»/x"},
	{text: "10.1.2.3 192.168.0.1 127.0.0.1 192.0.2.7 nginx/1.25.3.1 version 81.2.69.142 1.3.6.1.4.1 300.1.1.1 81.2.69.0/24"},
	{kind: "ipv6", text: "«2a02:8109:9a80::1»"},
	{kind: "ipv6", text: "[«2606:4700:4700:0:0:0:0:1111»]:443"},
	{kind: "ipv6", text: "probe at «2a02:8071:2b81:d540:4799:7b6f:e86:7379»:32400 timed out, next «2a02:8071::2:0:0:3»:32400."},
	{text: "2a02:8071:2b81:d540:4799:7b6f:e86:7379:abcd 2a02:8071:2b81:d540:4799:7b6f:e86:7379:324000 2a02:8071::2:0:0:324000"},
	{text: "::1 fe80::1 2001:db8::1 std::vector 12:34:56 a::b fc00::1 2024:01:15"},
	{kind: "mac", text: "«3c:22:fb:12:34:56»"},
	{kind: "mac", text: "«3C-22-FB-12-34-56»"},
	{kind: "mac", text: "«3c22.fb12.3456»"},
	{text: "00:00:00:00:00:00 ff:ff:ff:ff:ff:ff 3c:22:fb:12:34:56:78:9a 12:34:56"},
	{kind: "jwt", text: "t=«eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl»;"},
	{text: "eyJmb28iOjF9.bar eyJ"},
	{kind: "url_credentials", text: "postgres://«app:s3cr3t»@db:5432/x"},
	{kind: "url_credentials", text: "amqp://«user:p@ss»@mq/"},
	{kind: "url_credentials", text: "mysql: «root:pw»@tcp(db:3306)/x"},
	{text: "ssh://git@host/x http://host:80/a@b https://x.y/z"},
	{kind: "url_secret", text: "GET /cb?state=1&sig=«ab%2Fc»&x=2"},
	{kind: "url_secret", text: "https://x/y?access_token=«abc123»"},
	{text: "/list?key=name&code=404&page=2"},
	{kind: "aws_key", text: "«AKIAIOSFODNN7EXAMPLE»"},
	{kind: "aws_key", text: "aws_secret_access_key = «wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY»"},
	{kind: "gcp_key", text: "«AIzaSyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe»"},
	{kind: "azure_key", text: "AccountName=x;AccountKey=«Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYg==»;EndpointSuffix=core.windows.net"},
	{kind: "github_token", text: "«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»"},
	{text: "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18"},
	{kind: "gitlab_token", text: "«glpat-ABCdef123456_7890abc»"},
	{kind: "stripe_key", text: "«sk_live_4eC39HqLyjWDarjtT1zdp7dc»"},
	{kind: "openai_key", text: "«sk-proj-abcDEF123456ghiJKL789012mnoPQR»"},
	{text: "sk-some-css-class-name-that-is-long risk-analysis-of-something-very-long"},
	{kind: "private_key", text: "x «-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----» y"},
	{text: "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----"},
	{kind: "password", text: "password=«hunter2» user=bob"},
	{kind: "password", text: `{"db_password": "«a b\"c»", "x":1}`},
	{kind: "password", text: `{\"password\":\"«x,y»\",\"z\":1}`},
	{kind: "password", text: "passwd: «Tr0ub4dor&3»\nuser: x"},
	{kind: "password", text: "Authorization: Basic «dXNlcjpwYXNz» 200"},
	{kind: "password", text: `{"authorization":"Bearer «abcdef»"}`},
	{kind: "jwt", text: "Authorization: Bearer «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl»"},
	{kind: "jwt", text: `"token": "«eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl»"`},
	{kind: "stripe_key", text: "api_key=«sk_live_4eC39HqLyjWDarjtT1zdp7dc»"},
	{kind: "private_key", text: "private_key: «-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----»"},
	{kind: "password", text: "<password>«hunter2»</password>"},
	{kind: "password", text: "CREATE USER bob IDENTIFIED BY '«hunter2»'"},
	{kind: "password", text: "ALTER USER bob WITH PASSWORD '«hunter2»';"},
	{kind: "password", text: "curl -u «bob:hunter2» https://x"},
	{kind: "password", text: "username=bob&password=«hunter2»&x=1"},
	{kind: "url_secret", text: "/a?username=bob&password=«hunter2»&x=1"},
	{kind: "payment_card", text: "%B«4111111111111111»^DOE/J^2612"},
	{kind: "payment_card", text: "card«4111111111111111»"},
	{kind: "phone", text: "call: «4155552671» today"},
	{text: "call 4155552671 today, cell B4155552671, contact sheet 4155552671"},
	{text: "backup-20240115-1030.tar 20240115-103045 token = lexer.next() password=[FILTERED]"},
	{kind: "password", text: "Cookie: «sid=abc; theme=dark»"},
	{kind: "password", text: "got Bearer «abcdef0123456789» ok"},
	{kind: "password", text: "mysql --password «hunter2» -u x"},
	{text: "password: string, invalid password: must be longer, if password == x; password := getPassword(); pass: 12, fail: 3; password=${PW}"},
	{text: `PWD=/home/x compass=north tokens: 1234 password=**** "password": null, password: [REDACTED:password]`},
	{text: "[REDACTED:email] [ENC:email:k1:abcdefghijklmnopabcdefghijklmnop]"},
}

func ExampleScanner_Scan() {
	s := detect.New(detect.Options{Detectors: detect.Precise, Regions: []string{"US"}})
	text := "jane@example.com paid with card 4111 1111 1111 1111, order 4111111111111111"
	for _, sp := range s.Scan(nil, "", text) {
		fmt.Println(sp.Kind, text[sp.Start:sp.End])
	}
	// Output:
	// email jane@example.com
	// payment_card 4111 1111 1111 1111
}
