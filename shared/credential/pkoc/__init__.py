"""PKOC (Public Key Open Credential): reader and holder, over BLE and NFC."""
