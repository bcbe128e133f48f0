package lakestore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

// maxTenant bounds the encoded tenant in a path; file systems allow 255 bytes a name.
const maxTenant = 180

// PartitionDir returns <signal>/date=YYYY-MM-DD/hour=HH/tenant=<t>, the tenant encoded by EncodeTenant.
func PartitionDir(signal string, hour time.Time, tenant string) string {
	hour = hour.UTC()
	return path.Join(signal, "date="+hour.Format(time.DateOnly), fmt.Sprintf("hour=%02d", hour.Hour()), "tenant="+EncodeTenant(tenant))
}

// EncodeTenant makes a tenant's name safe as part of a path, in the way of Hive: every byte except letters, digits, '-', '_' and inner '.' becomes
// %XX, which DuckDB and Spark decode. Different tenants get different names; one longer than 180 bytes is truncated behind a character, and ends in '~'
// and a hash: half of a character would be no text when it is decoded, and readers refuse all files for that.
func EncodeTenant(tenant string) string {
	var b strings.Builder
	kept := 0 // bytes of a truncated name
	for i := 0; i < len(tenant); i++ {
		if b.Len() <= maxTenant-33 && utf8.RuneStart(tenant[i]) {
			kept = b.Len()
		}
		c := tenant[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	s := b.String()
	if len(s) <= maxTenant {
		return s
	}
	sum := sha256.Sum256([]byte(tenant))
	return s[:kept] + "~" + hex.EncodeToString(sum[:16])
}
