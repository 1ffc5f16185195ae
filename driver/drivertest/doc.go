// Package drivertest tests implementations of the interfaces of package driver,
// and has one of its own for other tests, [MemoryPublisher]:
//
//	func TestTarget(t *testing.T) {
//		drivertest.TestPublisher(t, func(t *testing.T) (driver.Publisher, func(string) (string, bool)) {
//			server := startServer(t)
//			return NewTarget(server.URL), server.Read
//		})
//	}
//
// The texts that the test publishes are made up, so its messages may quote
// errors of the implementation.
package drivertest
