// certs makes what a server needs for TLS on 127.0.0.1 and localhost, valid for a week:
// ca.pem, server.pem and server.key in the folder that its first argument names; the others are further DNS names.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: certs FOLDER [NAME...]")
	}
	folder := os.Args[1]
	authorityKey, serverKey := newKey(), newKey()
	authority := template(1, "test authority")
	authority.IsCA = true
	authority.BasicConstraintsValid = true
	authority.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	server := template(2, "localhost")
	server.KeyUsage = x509.KeyUsageDigitalSignature
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames = append([]string{"localhost"}, os.Args[2:]...)
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}

	ca := must(x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey))
	authority = must(x509.ParseCertificate(ca)) // with the key identifier that the leaf has to name
	leaf := must(x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), authorityKey))
	key := must(x509.MarshalPKCS8PrivateKey(serverKey))
	write(folder, "ca.pem", "CERTIFICATE", ca, 0o644)
	write(folder, "server.pem", "CERTIFICATE", leaf, 0o644)
	write(folder, "server.key", "PRIVATE KEY", key, 0o600)
}

func newKey() *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

func template(serial int64, name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(7 * 24 * time.Hour),
	}
}

func write(folder, name, kind string, content []byte, mode os.FileMode) {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
	if err := os.WriteFile(filepath.Join(folder, name), text, mode); err != nil {
		log.Fatal(err)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
