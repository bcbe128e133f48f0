package corpus

import (
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"strings"
)

func ipv4(g gen) (string, bool) {
	return fmt.Sprintf("%d.%d.%d.%d", pick(g, 3, 8, 13, 18, 31, 34, 52, 62, 77, 81, 85, 93, 104, 134, 151, 185, 193, 201, 212, 217), g.between(16, 250), g.IntN(256), g.between(1, 254)), false
}

func ipv6(g gen) (string, bool) {
	head := pick(g, "2a02", "2a00", "2600", "2001:4860", "2606:4700", "2409", "2003", "240e")
	h := func() string { return fmt.Sprintf("%x", g.between(1, 0xffff)) }
	n := strings.Count(head, ":") + 1
	switch g.IntN(3) {
	case 0:
		for ; n < 8; n++ {
			head += ":" + h()
		}
	case 1:
		head += ":" + h() + "::" + h()
	default:
		head = strings.ToUpper(head + ":" + h() + ":" + h() + "::" + h() + ":" + h())
	}
	return head, false
}

func mac(g gen) (string, bool) {
	s := pick(g, "3c", "a4", "f0", "d8", "7c", "52") + g.from(hexa, 10)
	switch g.IntN(4) {
	case 0:
		return groups(s, "-", 2, 2, 2, 2, 2, 2), false
	case 1:
		return strings.ToUpper(groups(s, ":", 2, 2, 2, 2, 2, 2)), false
	case 2:
		return groups(s[:3]+"b"+s[4:], ".", 4, 4, 4), false
	default:
		return groups(s, ":", 2, 2, 2, 2, 2, 2), false
	}
}

func jwt(g gen) (string, bool) {
	enc := base64.RawURLEncoding.EncodeToString
	header := enc([]byte(pick(g, `{"alg":"HS256","typ":"JWT"}`, `{"typ":"JWT","alg":"RS256","kid":"abc1"}`, `{"kid":"x","alg":"ES256"}`, `{"alg":"none"}`)))
	payload := enc(fmt.Appendf(nil, `{"sub":"%s","exp":%d}`, g.digits(10), g.between(1600000000, 1900000000)))
	if g.IntN(8) == 0 {
		return enc([]byte(`{"alg":"RSA-OAEP","enc":"A256GCM"}`)) + "." + g.from(base64ch, 60) + "." + g.from(base64ch, 16) + "." + g.from(base64ch, 40) + "." + g.from(base64ch, 22), false
	}
	return header + "." + payload + "." + g.from(base64ch, g.between(43, 86)), false
}

var users = []string{"admin", "root", "app", "svc-orders", "jdoe", "postgres", "reader%40corp"}

func password(g gen) string {
	switch g.IntN(7) {
	case 0:
		return pick(g, "hunter2", "letmein", "S3cr3t!", "Passw0rd", "qwerty123", "correct-horse-battery-staple", "Winter2024!")
	case 1:
		return g.from(alnum, g.between(8, 24))
	case 2:
		return g.from(alnum+"!@#$%^*-_+.~", g.between(10, 20)) + g.from(lowers, 1)
	case 3:
		return g.from(hexa, 32)
	case 4:
		return g.from(lowers, g.between(6, 12))
	case 5:
		return base64.StdEncoding.EncodeToString([]byte(g.from(alnum, 16)))
	default:
		return g.from(alnum, 4) + pick(g, "!", "#", "$x", "-", "+", "/", ".") + g.from(alnum, 6)
	}
}

func urlCredentials(g gen) Line {
	pw := strings.NewReplacer("/", "%2F", "#", "%23", "?", "%3F", "@", "%40", "+", "%2B", "%", "%25", "^", "%5E").Replace(password(g))
	v := pick(g, users...) + ":" + pw
	if g.IntN(8) == 0 {
		v = ":" + pw
	}
	host := pick(g, "db.example.com:5432/orders", "10.2.3.4:6379/0", "mq.internal/vhost", "api.example.com/v1?x=1", "[fd00::1]:27017/db", "github.com/org/repo.git", "localhost")
	scheme := pick(g, "postgres", "postgresql", "mysql", "redis", "amqp", "mongodb+srv", "https", "http", "ftp", "sftp", "ssh", "ldap", "smtp", "jdbc:postgresql")
	return fill(pick(g, `connect `+scheme+`://{}@`+host, `DATABASE_URL=`+scheme+`://{}@`+host, `{"dsn":"`+scheme+`://{}@`+host+`"}`,
		`cannot reach "`+scheme+`://{}@`+host+`": timeout`, "url: "+scheme+"://{}@"+host+"\nname: x", `dial '`+scheme+`://{}@`+host+`' failed after 3s`), v, "url_credentials")
}

func urlSecret(g gen) Line {
	name := pick(g, "access_token", "token", "api_key", "apikey", "sig", "signature", "X-Amz-Signature", "X-Amz-Security-Token", "X-Goog-Signature",
		"client_secret", "password", "refresh_token", "id_token", "auth_token", "secret", "key", "code")
	v := pick(g, g.from(alnum, g.between(24, 40)), g.from(hexa, 64), g.from(alnum, 20)+"%2B"+g.from(alnum, 8)+"%3D", g.from(base64ch, 32))
	if name == "key" || name == "code" {
		v = g.from(alnum, 12) + g.digits(4) + g.from(alnum, 8)
	}
	return fill(pick(g, "GET /v1/items?page=2&"+name+"={} HTTP/1.1", "https://api.example.com/cb?"+name+"={}&state=xyz", `{"url":"https://x.example.com/a/b?a=1&`+name+`={}#frag"}`,
		"redirect to https://app.example.com/login?"+name+"={}", `10.0.0.7 - - [11/Mar/2024:10:22:33 +0000] "POST /oauth?`+name+`={} HTTP/2.0" 302 0`, "url=https://a.example.com/?b=c&amp;"+name+"={}"), v, "url_secret")
}

func pairs(g gen) Line {
	name := pick(g, "password", "passwd", "pwd", "PASSWORD", "db_password", "userPassword", "MYSQL_ROOT_PASSWORD", "api_key", "apiKey", "x-api-key", "client_secret", "secret_key",
		"access_token", "auth_token", "refreshToken", "passphrase", "private_key", "spring.datasource.password", "secret", "Passwort", "contraseña", "senha", "access_key")
	v := password(g)
	if name == "secret" {
		v = g.from(alnum, 16)
	}
	switch g.IntN(14) {
	case 0:
		return fill(`{"`+name+`":"{}","user":"bob"}`, v, "password")
	case 1:
		return fill(`{"user": "bob", "`+name+`": "{}"}`, v, "password")
	case 2:
		return fill(`payload={\"`+name+`\":\"{}\",\"n\":1}`, v, "password")
	case 3:
		return fill("user: bob\n"+name+": {}\nhost: db1", v, "password")
	case 4:
		return fill(name+`="{}" user=bob`, v, "password")
	case 5:
		return fill(`connecting with user=bob `+name+`={} to db1`, v, "password")
	case 6:
		return fill(`config[`+name+`]='{}'`, v, "password")
	case 7:
		return fill("export "+name+"={}", v, "password")
	case 8:
		return fill("Server=db1;User Id=sa;"+pick(g, "Password", "Pwd")+"={};Encrypt=true", strings.NewReplacer(";", "", "&", "").Replace(v), "password")
	case 9:
		return fill(pick(g, "Authorization: ", `"authorization": "`, "proxy-authorization=")+pick(g, "Bearer ", "Basic ", "Token ")+pick(g, "{}", "{}\""), g.from(alnum, 32), "password")
	case 10:
		return fill(pick(g, "curl -H 'Authorization: Bearer {}' https://x.example.com", "sent Bearer {} to peer", "<password>{}</password>",
			"ALTER USER bob WITH PASSWORD '{}'", "user=bob&password={}&remember=1"), g.from(alnum, 20), "password")
	case 11:
		return fill(pick(g, "Cookie: {}", "set-cookie: {}", `"Cookie":"{}"`), "sid="+g.from(alnum, 24)+"; theme=dark; _ga=GA1.2."+g.digits(9), "password")
	case 12:
		return fill(pick(g, "mysqldump --user root --password {} --host db1", "app --api-key {} run"), g.from(alnum, 14), "password")
	default:
		return fill(`'`+name+`' => '{}',`, strings.ReplaceAll(v, "'", ""), "password")
	}
}

func privateKey(g gen) Line {
	label := pick(g, "RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "PGP PRIVATE KEY BLOCK")
	nl := pick(g, "\n", "\n", `\n`, "\r\n", " ")
	var b strings.Builder
	b.WriteString("-----BEGIN " + label + "-----" + nl)
	if label == "RSA PRIVATE KEY" && g.IntN(3) == 0 {
		b.WriteString("Proc-Type: 4,ENCRYPTED" + nl + "DEK-Info: AES-128-CBC," + strings.ToUpper(g.from(hexa, 32)) + nl + nl)
	}
	for range g.between(3, 12) {
		b.WriteString(g.from(alnum+"+/", 64) + nl)
	}
	b.WriteString(g.from(alnum+"+/", 30) + "==" + nl + "-----END " + label + "-----")
	return fill(pick(g, "loaded key {} from disk", `{"key":"{}"}`, "{}", "cert:\n{}\nend"), b.String(), "private_key")
}

func github(g gen) (string, bool) {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	if g.IntN(4) == 0 {
		return "github_pat_" + g.from(alnum, 22) + "_" + g.from(alnum, 59), false
	}
	body := g.from(alnum, 30)
	sum, check := crc32.ChecksumIEEE([]byte(body)), ""
	for range 6 {
		check = string(digits[sum%62]) + check
		sum /= 62
	}
	return pick(g, "ghp_", "gho_", "ghs_", "ghu_", "ghr_") + body + check, false
}

func aws(g gen) (string, bool) {
	return pick(g, "AKIA", "ASIA", "ABIA", "ACCA") + g.from(upper+"234567", 16), false
}

func gcp(g gen) (string, bool) {
	return pick(g, "AIza"+g.from(base64ch, 34)+g.from(alnum, 1), "GOCSPX-"+g.from(base64ch, 27)+g.from(alnum, 1), "ya29."+g.from(base64ch, 80)+g.from(alnum, 1)), false
}

func azure(g gen) Line {
	if g.IntN(2) == 0 {
		return fill("DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={};EndpointSuffix=core.windows.net", g.from(alnum+"+/", 86)+"==", "azure_key")
	}
	return fill(pick(g, bare...), g.from(alnum, 3)+g.digits(1)+"Q~"+g.from(alnum+"_-.", 33)+g.from(alnum, 1), "azure_key")
}

func gitlab(g gen) (string, bool) {
	return pick(g, "glpat-", "gldt-", "glrt-") + g.from(base64ch, 19) + g.from(alnum, 1), false
}

func slack(g gen) (string, bool) {
	return pick(g, "xoxb-"+g.digits(12)+"-"+g.digits(13)+"-"+g.from(alnum, 24), "xoxp-"+g.digits(12)+"-"+g.digits(12)+"-"+g.digits(12)+"-"+g.from(hexa, 32),
		"xapp-1-A"+g.from(upper+decimal, 10)+"-"+g.digits(13)+"-"+g.from(hexa, 64), "hooks.slack.com/services/T"+g.from(upper+decimal, 8)+"/B"+g.from(upper+decimal, 8)+"/"+g.from(alnum, 24)), false
}

func stripe(g gen) (string, bool) {
	return pick(g, "sk_live_", "sk_test_", "rk_live_") + g.from(alnum, pick(g, 24, 99)), false
}

func openai(g gen) (string, bool) {
	return pick(g, "sk-"+g.from(alnum, 20)+"T3BlbkFJ"+g.from(alnum, 20), "sk-proj-"+g.from(alnum, 20)+"_"+g.from(base64ch, 60)+g.from(alnum, 1)), false
}

func anthropic(g gen) (string, bool) {
	return "sk-ant-" + pick(g, "api03", "admin01") + "-" + g.from(alnum, 40) + "-" + g.from(alnum, 45) + "AA", false
}

func vendor(g gen) (string, bool) {
	return pick(g, "npm_"+g.from(alnum, 36), "SG."+g.from(base64ch, 22)+"."+g.from(base64ch, 42)+g.from(alnum, 1), "hf_"+g.from(upper+lowers, 34),
		"shpat_"+g.from(hexa, 32), "dop_v1_"+g.from(hexa, 64), "hvs."+g.from(alnum, 24), g.digits(10)+":AA"+g.from(base64ch, 32)+g.from(alnum, 1),
		"pypi-AgEIcHlwaS5vcmc"+g.from(alnum, 80), "glsa_"+g.from(alnum, 32)+"_"+g.from(hexa, 8)), false
}

var kinds = []kind{
	{detector: "email", value: email, labels: []string{"email", "e-mail", "Email", "user", "mail", "correo", "to", "recipient"}},
	{detector: "phone", value: phone, labels: []string{"phone", "tel", "mobile phone", "Telefon", "téléphone", "phoneNumber", "phone_number", "teléfono", "cell phone", "fax", "msisdn"}},
	{detector: "payment_card", value: card, labels: []string{"card", "card_number", "cardNumber", "PAN", "credit card", "cc", "Kreditkarte", "tarjeta", "payment card"}},
	{detector: "iban", value: iban, labels: []string{"iban", "IBAN", "account", "Konto", "bank_account"}},
	{detector: "us_ssn", value: ssn, labels: []string{"ssn", "SSN", "social security number", "social_security_number"}},
	{detector: "uk_nhs", value: nhs, labels: []string{"nhs", "NHS number", "nhs_number", "NHS No"}},
	{detector: "uk_nino", value: nino, labels: []string{"nino", "national insurance number", "NI number"}},
	{detector: "de_tax_id", value: deTaxID, labels: []string{"Steuer-ID", "steuerliche IdNr", "tax id", "tax_id", "Steueridentifikationsnummer"}},
	{detector: "fr_nir", value: nir, labels: []string{"NIR", "numéro de sécurité sociale", "insee"}},
	{detector: "es_dni", value: dni, labels: []string{"DNI", "NIF", "NIE", "documento"}},
	{detector: "it_fiscal_code", value: codiceFiscale, labels: []string{"codice fiscale", "codiceFiscale", "codice_fiscale"}},
	{detector: "nl_bsn", value: bsn, labels: []string{"BSN", "burgerservicenummer", "bsn"}},
	{detector: "be_nrn", value: nrn, labels: []string{"rijksregisternummer", "NISS", "registre national"}},
	{detector: "ch_ahv", value: ahv, labels: []string{"AHV", "AVS", "AHV-Nr"}},
	{detector: "pl_pesel", value: pesel, labels: []string{"PESEL", "pesel"}},
	{detector: "se_personnummer", value: personnummer, labels: []string{"personnummer", "Personnummer"}},
	{detector: "fi_hetu", value: hetu, labels: []string{"hetu", "henkilötunnus"}},
	{detector: "ca_sin", value: sin, labels: []string{"SIN number", "social insurance number", "assurance sociale"}},
	{detector: "br_cpf", value: cpf, labels: []string{"CPF", "cpf"}},
	{detector: "in_aadhaar", value: aadhaar, labels: []string{"aadhaar", "Aadhaar number", "UIDAI"}},
	{detector: "cn_resident_id", value: residentID, labels: []string{"身份证", "resident id", "id_card"}},
	{detector: "kr_rrn", value: rrn, labels: []string{"rrn", "주민등록번호"}},
	{detector: "sg_nric", value: nric, labels: []string{"NRIC", "nric_no"}},
	{detector: "ipv4", value: ipv4, labels: []string{"client", "ip", "remote_addr", "peer", "src"}},
	{detector: "ipv6", value: ipv6, labels: []string{"client", "ip", "remote_addr", "peer", "src"}},
	{detector: "mac", value: mac, labels: []string{"mac", "hwaddr", "device", "lladdr"}},
	{detector: "jwt", value: jwt, labels: []string{"jwt", "assertion", "id", "value"}},
	{detector: "url_credentials", whole: urlCredentials},
	{detector: "url_secret", whole: urlSecret},
	{detector: "aws_key", value: aws, labels: []string{"aws", "key id", "aws_access_key_id"}},
	{detector: "gcp_key", value: gcp, labels: []string{"gcp", "google", "maps"}},
	{detector: "azure_key", whole: azure},
	{detector: "github_token", value: github, labels: []string{"github", "git", "ci"}},
	{detector: "gitlab_token", value: gitlab, labels: []string{"gitlab", "git", "ci"}},
	{detector: "slack_token", value: slack, labels: []string{"slack", "bot", "hook"}},
	{detector: "stripe_key", value: stripe, labels: []string{"stripe", "payments"}},
	{detector: "openai_key", value: openai, labels: []string{"openai", "llm", "model"}},
	{detector: "anthropic_key", value: anthropic, labels: []string{"anthropic", "llm", "model"}},
	{detector: "vendor_token", value: vendor, labels: []string{"publish", "deploy", "integration"}},
	{detector: "private_key", whole: privateKey},
	{detector: "password", whole: pairs},
}
