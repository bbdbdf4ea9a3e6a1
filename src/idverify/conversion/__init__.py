"""Third-party model files into ONNX files, once, at ``idverify models pull``."""
