/* A certificate and key for fuzz_tls.c; they guard nothing. */
#ifndef TESTS_FUZZ_TLS_PAIR_H
#define TESTS_FUZZ_TLS_PAIR_H

#define FUZZ_CERTIFICATE                                                                                                                             \
	"-----BEGIN CERTIFICATE-----\n"                                                                                                              \
	"MIIBqDCCAU2gAwIBAgIUNAXw4SMI0rByDTCJfsjItJA4u1owCgYIKoZIzj0EAwIw\n"                                                                         \
	"GjEYMBYGA1UEAwwPcGFydG5lci5leGFtcGxlMCAXDTI2MTEyMTAzMzQzMFoYDzIx\n"                                                                         \
	"MjYxMDI4MDMzNDMwWjAaMRgwFgYDVQQDDA9wYXJ0bmVyLmV4YW1wbGUwWTATBgcq\n"                                                                         \
	"hkjOPQIBBggqhkjOPQMBBwNCAAR4O3jSflsNZ2UM/TjsQmrgE48tsHgeq0v7NP6V\n"                                                                         \
	"/UfitAMnvRwpNFyo0SOS4n3nacZIRTdZBXzr4gacyEi4lJrho28wbTAdBgNVHQ4E\n"                                                                         \
	"FgQU5pftXDVp//rvAQlSAoJlut2YWvQwHwYDVR0jBBgwFoAU5pftXDVp//rvAQlS\n"                                                                         \
	"AoJlut2YWvQwDwYDVR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgg9wYXJ0bmVyLmV4\n"                                                                         \
	"YW1wbGUwCgYIKoZIzj0EAwIDSQAwRgIhAK/tgdqSS0SrcJw01v3Q9BB0TBVMult4\n"                                                                         \
	"EETW9xa4nAFkAiEA6OB2py1DNsg9w8FZ7ACBrC6z9R4DxIOw/a/vUK/+WDs=\n"                                                                             \
	"-----END CERTIFICATE-----\n"

#define FUZZ_KEY                                                                                                                                     \
	"-----BEGIN PRIVATE KEY-----\n"                                                                                                              \
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgc8ps4In4rOueRQ5T\n"                                                                         \
	"huPyBptokv9FsREaYocbiZDdNqOhRANCAAR4O3jSflsNZ2UM/TjsQmrgE48tsHge\n"                                                                         \
	"q0v7NP6V/UfitAMnvRwpNFyo0SOS4n3nacZIRTdZBXzr4gacyEi4lJrh\n"                                                                                 \
	"-----END PRIVATE KEY-----\n"

#endif
