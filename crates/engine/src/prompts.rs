//! The prompts that come with the product.
