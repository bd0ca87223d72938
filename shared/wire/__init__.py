"""What readers and controllers say to each other over MQTT: messages, envelope, topics."""
