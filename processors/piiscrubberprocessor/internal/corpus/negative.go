package corpus

import (
	"fmt"
	"strings"
)

type negative struct {
	name string
	line func(gen) Line
}

func text(s string) Line { return Line{Text: s} }

// put writes v into a carrier, or makes it an attribute.
func put(g gen, key, v string) Line {
	if g.IntN(4) == 0 {
		return Line{Key: key, Text: v}
	}
	return text(strings.Replace(pick(g, bare...), "{}", v, 1))
}

func (g gen) uuid() string {
	return groups(g.from(hexa, 32), "-", 8, 4, 4, 4, 12)
}

// noLuhn is a number of n digits that fails the check.
func (g gen) noLuhn(n int) string {
	s := g.digits(n - 1)
	return s + fmt.Sprint((int(withLuhn(s)[n-1]-'0')+g.between(1, 9))%10)
}

func (g gen) clock() string {
	return fmt.Sprintf("%02d:%02d:%02d", g.IntN(24), g.IntN(60), g.IntN(60))
}

func (g gen) day() string {
	return fmt.Sprintf("%d-%02d-%02d", g.between(1999, 2031), g.between(1, 12), g.between(1, 28))
}

var negatives = []negative{
	{"uuid", func(g gen) Line { return put(g, "request.id", g.uuid()) }},
	{"digit_uuid", func(g gen) Line { return put(g, "id", groups(g.digits(32), "-", 8, 4, 4, 4, 12)) }},
	{"trace_id", func(g gen) Line { return text("trace_id=" + g.from(hexa, 32) + " span_id=" + g.from(hexa, 16)) }},
	{"digit_span_id", func(g gen) Line {
		return text("trace_id=" + withLuhn("4"+g.digits(30)) + " span_id=" + withLuhn("4"+g.digits(14)))
	}},
	{"traceparent", func(g gen) Line {
		return text("traceparent: 00-" + g.from(hexa, 32) + "-" + g.from(hexa, 16) + "-01")
	}},
	{"hash", func(g gen) Line {
		return put(g, "digest", pick(g, "sha256:", "", "md5=", "etag ")+g.from(hexa, pick(g, 32, 40, 64)))
	}},
	{"base64", func(g gen) Line { return put(g, "payload", g.from(alnum+"+/", g.between(40, 120))+"==") }},
	{"epoch", func(g gen) Line {
		return put(g, "ts", fmt.Sprint(g.between(1500000000, 1900000000))+pick(g, "", g.digits(3), g.digits(6), g.digits(9)))
	}},
	{"iso_time", func(g gen) Line {
		return put(g, "time", g.day()+pick(g, "T", " ")+g.clock()+pick(g, "", "."+g.digits(3), "."+g.digits(9), ","+g.digits(3))+pick(g, "Z", "+02:00", "", " +0000"))
	}},
	{"compact_time", func(g gen) Line {
		return put(g, "partition", strings.NewReplacer("-", "", ":", "").Replace(g.day()+g.clock())+pick(g, "", g.digits(3)))
	}},
	{"order_number", func(g gen) Line {
		n := withLuhn(pick(g, "4", "51", "37", "6011") + g.digits(14)[:pick(g, 12, 13, 14)])
		return text(fmt.Sprintf(pick(g, "order %s shipped", "order_id=%s", "Order #%s", `{"orderNumber":"%s"}`, "invoice %s paid", "ORD-%s", "tracking no. %s"), n))
	}},
	{"random_number", func(g gen) Line { return put(g, "n", g.noLuhn(g.between(13, 19))) }},
	{"snowflake", func(g gen) Line { return put(g, "message_id", fmt.Sprint(g.between(1, 17))+g.digits(17)) }},
	{"counter", func(g gen) Line {
		return text(fmt.Sprintf("processed %s rows in %d ms, %s bytes, rate=%d.%s/s", g.digits(g.between(4, 9)), g.IntN(99999), g.digits(g.between(5, 12)), g.IntN(9999), g.digits(3)))
	}},
	{"version", func(g gen) Line {
		v := fmt.Sprintf("%d.%d.%d.%d", g.IntN(30), g.IntN(30), g.IntN(99), g.IntN(200))
		return text(fmt.Sprintf(pick(g, "version %s", "nginx/%s", "v%s started", "Version: %s", "upgraded to release %s", "Chrome/%s Safari/537.36", "lib-%s.jar"), v))
	}},
	{"semver", func(g gen) Line {
		return put(g, "service.version", fmt.Sprintf("%d.%d.%d-rc.%d+build.%s", g.IntN(20), g.IntN(20), g.IntN(20), g.IntN(9), g.from(hexa, 7)))
	}},
	{"doc_ip", func(g gen) Line {
		return put(g, "ip", fmt.Sprintf(pick(g, "192.0.2.%d", "198.51.100.%d", "203.0.113.%d", "2001:db8::%x"), g.between(1, 254)))
	}},
	{"private_ip", func(g gen) Line {
		return put(g, "host.ip", fmt.Sprintf(pick(g, "10.%d.3.4", "192.168.1.%d", "172.16.0.%d", "127.0.0.%d", "169.254.1.%d", "fe80::%x", "fd00::%x"), g.between(1, 254)))
	}},
	{"cidr", func(g gen) Line { return put(g, "net", fmt.Sprintf("%d.%d.0.0/16", g.between(11, 99), g.IntN(256))) }},
	{"oid", func(g gen) Line {
		return text("snmp oid 1.3.6.1.4.1." + fmt.Sprint(g.IntN(9999)) + "." + fmt.Sprint(g.IntN(99)) + ".1.0")
	}},
	{"time_of_day", func(g gen) Line { return text("cron at " + g.clock() + " took " + g.clock() + "." + g.digits(3)) }},
	{"fingerprint", func(g gen) Line {
		return put(g, "fp", strings.TrimSuffix(strings.Repeat("ab:cd:0f:", 7), ":")[:pick(g, 47, 59)])
	}},
	{"cpp", func(g gen) Line {
		return text(pick(g, "std::vector<int>::at", "Foo::Bar::baz()", "a::b::c", "ActiveRecord::Base", "cafe::babe::dead", "::1 is up"))
	}},
	{"handle", func(g gen) Line {
		return text(pick(g, "@alice mentioned you", "npm i @babel/core@7.23.0", "icon@2x.png", "getty@tty1.service", "git@github.com:org/repo.git", "user@host:~$ ls",
			"com.foo.Bar@1a2b3c4d", "react@18.2.0", "image@sha256:"+g.from(hexa, 64), "@Override public void run()", "foo@bar", "SELECT @@version", "x @ y.z"))
	}},
	{"code", func(g gen) Line {
		return text(pick(g, "password := readPassword()", `if password == "" { return err }`, "String password;", "def login(user, password):", "password: string;",
			"token = lexer.next()", "const token = await getToken(ctx)", "this.password = password;", "self.secret = config.secret", "private String apiKey;",
			"public bool Password { get; set; }", "password = os.environ['DB_PASSWORD']", "secret: ${DB_SECRET}", "api_key={{ vault.key }}", "token, err := parse(s)",
			`fmt.Printf("password=%s", p)`, "password: <hidden>", "PASSWORD=****", `"token": null`, "password=[FILTERED]", "secretKeyRef: {name: x, key: y}"))
	}},
	{"prose", func(g gen) Line {
		return text(pick(g, "Invalid password: must be longer than 8 characters", "password is required", "the secret to good tea", "token expired for session",
			"bearer of bad news arrived", "forgot your password? reset it", "Authorization failed for user bob", "cookie consent accepted", "please enter a pass phrase now",
			"tests pass: 12, fail: 3", "used 1234 tokens: 100 prompt, 1134 completion", "basic auth is disabled", "authorization required", "the API key was rotated"))
	}},
	{"path", func(g gen) Line {
		return text(pick(g, "/var/log/app/"+g.day()+"/"+g.digits(10)+".log", "C:\\Users\\svc\\file_"+g.digits(13)+".txt", "s3://bucket/dt="+g.day()+"/part-0000"+g.digits(1)+"-"+g.uuid()+".parquet",
			"PWD=/home/build/src", "at com.example.Foo.bar(Foo.java:"+g.digits(3)+")", "0x"+g.from(hexa, 16)+" in main+0x"+g.from(hexa, 4)))
	}},
	{"query", func(g gen) Line {
		return text(pick(g, "GET /items?page=2&key=name&code=404&sort=asc", "/search?q=4+5&limit=100&offset=200", "https://example.com/a@b?x=1", "http://host:8080/x:y@z", "ssh://git@host/repo"))
	}},
	{"decimals", func(g gen) Line {
		return text(fmt.Sprintf("lat=%d.%s lon=-%d.%s p=0.%s e=1.%se-05", g.IntN(90), g.digits(14), g.IntN(180), g.digits(15), g.digits(16), g.digits(16)))
	}},
	{"numbers", func(g gen) Line {
		return text(strings.Join([]string{g.digits(4), g.digits(3), g.digits(5), g.digits(2), g.digits(6)}, pick(g, ", ", ";", "|", "\t")))
	}},
	{"hexdump", func(g gen) Line {
		var b []string
		for range 16 {
			b = append(b, g.from(hexa, 2))
		}
		return text("00000010  " + strings.Join(b, " ") + "  |................|")
	}},
	{"money", func(g gen) Line {
		return text(fmt.Sprintf("total $%d,%03d.%02d (EUR %d.%03d,%02d)", g.IntN(999), g.IntN(1000), g.IntN(100), g.IntN(999), g.IntN(1000), g.IntN(100)))
	}},
	{"k8s", func(g gen) Line {
		return put(g, "k8s.pod.name", "checkout-"+g.from("bcdfghjklmnpqrstvwxz2456789", 10)+"-"+g.from("bcdfghjklmnpqrstvwxz2456789", 5))
	}},
	{"ean", func(g gen) Line { return text("ean " + g.digits(13) + " sku " + g.from(upper, 3) + g.digits(8)) }},
	{"imei", func(g gen) Line { return text("imei=" + withLuhn("35"+g.digits(12))) }},
	{"css", func(g gen) Line {
		return text(pick(g, "sk-fading-circle-animation-delay-long", "risk-assessment-of-something-large-here", "desk_live_updates_subscription", "AKIAish things", "xoxo-love"))
	}},
	{"bad_checksum", func(g gen) Line {
		return put(g, "v", pick(g, "DE"+g.digits(20)+"X", "ghp_"+g.from(alnum, 29)+"!"+g.from(alnum, 6), "000-"+g.digits(2)+"-"+g.digits(4), "eyJ"+g.from(alnum, 20)+"!", "9"+g.digits(2)+"-"+g.digits(2)+"-"+g.digits(4)))
	}},
	{"certificate", func(g gen) Line {
		return text("-----BEGIN " + pick(g, "CERTIFICATE", "PUBLIC KEY") + "-----\n" + g.from(upper+lowers+"+/", 64) + "\n-----END CERTIFICATE-----")
	}},
	{"access_log", func(g gen) Line {
		return text(fmt.Sprintf(`10.1.2.3 - - [11/Mar/2024:%s +0000] "GET /api/v2/items/%s HTTP/1.1" 200 %s "-" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0.6099.109"`, g.clock(), g.digits(9), g.digits(5)))
	}},
}
